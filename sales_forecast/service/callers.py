"""Who asks, as a request's scope has it, and what they may read of what is wrong.

Takes a scope, gives a caller, a place, or words. Must not decide who is let in: see `access`.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.types import Scope

from sales_forecast.errors import SalesForecastError
from sales_forecast.service.api_keys import Caller

CALLER = "caller"
_PASSED_ON = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


def caller_of(scope: Scope) -> Caller | None:
    """Return who asks, None where no key is set and everybody may."""
    caller: Caller | None = scope.get(CALLER)
    return caller


def is_local(scope: Scope) -> bool:
    """Return whether who asks is on this machine; whoever was passed on by a proxy is not."""
    host, *_ = scope.get("client") or ("",)
    if any(name in _PASSED_ON for name, _ in scope["headers"]):
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def words_for(scope: Scope, error: SalesForecastError) -> str:
    """Return what is wrong, without names of hosts and users for those who have no key.

    Where no key is set, they are told to this machine alone.
    """
    known = scope[CALLER] is not None if CALLER in scope else is_local(scope)
    return error.message if known else error.public
