"""How often may be asked: by key, and by address where there is none, each minute.

Takes who asks, says how long to wait. Counts in this process alone and keeps a bounded number of
callers. An address is that of the peer or, where a trusted proxy says so, of whom it passes on.
Must not know what is asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from fastapi import Response
from starlette.types import Scope

from sales_forecast.service.problems import error_response

Network = IPv4Network | IPv6Network
_MINUTE = 60.0
_MOST = 10_000
_OF_ONE_CALLER = 64
"""Bits of an address of IPv6 that one caller cannot choose."""


class Allowance:
    """So many a minute for each of many, at once or spread; what was taken comes back evenly."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.a_minute = a_minute
        self._each = _MINUTE / a_minute
        self._clock = clock
        self._full_at: dict[Hashable, float] = {}

    def wait(self, who: Hashable) -> float:
        """Return the seconds until one is left; 0.0 where one is."""
        now = self._clock()
        missing = self._full_at.get(who, now) + self._each - _MINUTE - now
        return missing if missing > self._each / 1000 else 0.0

    def take(self, who: Hashable) -> float:
        """Take one where one is left. Returns the seconds until then, as `wait`."""
        missing = self.wait(who)
        if not missing:
            now = self._clock()
            self._full_at[who] = max(self._full_at.get(who, now), now) + self._each
            if len(self._full_at) > _MOST:
                self._forget(now)
        return missing

    def _forget(self, now: float) -> None:
        """Forget whoever has all of its allowance; where that are too few, those known longest."""
        left = [of for of in self._full_at.items() if of[1] > now]
        self._full_at = dict(left[-_MOST // 2 :])


class Addresses:
    """Whose address a request is from."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = trusted

    def of(self, scope: Scope) -> str:
        """Return the address nearest to the caller that nobody but a trusted proxy tells."""
        host: str = (scope.get("client") or ("",))[0]
        if self._trusted and self._is_trusted(host):
            passed_on = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            for told in reversed(b",".join(passed_on).decode("latin-1").split(",")):
                if not _is_address(told.strip()):
                    break
                host = told.strip()
                if not self._is_trusted(host):
                    break
        return str(ip_network((host, _OF_ONE_CALLER), strict=False)) if ":" in host else host

    def _is_trusted(self, host: str) -> bool:
        return _is_address(host) and any(ip_address(host) in network for network in self._trusted)


def too_many(problem: str, wait: float) -> Response:
    """Return the answer 429, which says when to ask again."""
    seconds = math.ceil(wait)
    return error_response(
        429,
        "too_many_requests",
        f"{problem}. Ask again in {seconds} s.",
        {"Retry-After": seconds},
        {"Retry-After": str(seconds)},
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
