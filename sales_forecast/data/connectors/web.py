"""Answers of the web: asked politely, kept, and given as JSON.

Takes an address, gives what it says and since when that is known. No more requests a minute than a
source allows, three tries, a timeout, and what was answered before if a source fails now. Must not
know what an answer means.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sales_forecast.reports.whole import whole

_TRIES = 3
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 60.0
_MOST_BYTES = 50_000_000
_FRESH = timedelta(hours=12)
"""An answer about days that were not over yet is asked for again after that."""


class SourceFailed(Exception):
    """A source that does not answer, in words without its key."""


@dataclass
class Web:
    """The web, seen through a folder of what it said before.

    Attributes:
        kept: the folder.
        keys: name of a key -> key.
        pause: waits so many seconds.
    """

    kept: Path
    keys: Mapping[str, str]
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _last: dict[str, float] = field(default_factory=dict)

    def get(
        self,
        url: str,
        source: str,
        *,
        key: str | None,
        a_minute: int,
        timeout: float,
        settled: bool,
    ) -> tuple[Any, datetime]:
        """Return what an address says, and when it said so.

        `url` may name {key}; `key` is the name of the key; `settled`: the answer will not change.
        Raises SourceFailed.
        """
        file = self.kept / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
        before = _read(file)
        if before and ((settled and before["settled"]) or self.now() - before["at"] < _FRESH):
            return before["said"], before["at"]
        if key is not None and key not in self.keys:
            raise SourceFailed(f"{source} needs a key: SOURCE_KEYS has none of the name {key}")
        asked = url.replace("{key}", self.keys[key] if key else "")
        try:
            said = self._ask(asked, source, a_minute, timeout)
        except SourceFailed:
            if before:
                return before["said"], before["at"]
            raise
        at = self.now()
        self.kept.mkdir(parents=True, exist_ok=True)
        told = {"at": at.isoformat(), "settled": settled, "said": said}
        with whole(file) as aside:
            aside.write_text(json.dumps(told), encoding="utf-8")
        return said, at

    def _ask(self, url: str, source: str, a_minute: int, timeout: float) -> Any:
        reason = ""
        for number in range(_TRIES):
            self._wait(source, a_minute)
            wait = 2.0**number
            try:
                with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - http alone
                    return json.loads(answer.read(_MOST_BYTES))
            except urllib.error.HTTPError as error:
                reason = f"it answers {error.code}"
                if error.code not in _BUSY:
                    break
                told = error.headers.get("Retry-After", "")
                wait = max(wait, float(told)) if told.isdecimal() else wait
            except ValueError:
                reason = "its answer is no JSON"
            except OSError as error:
                cause = getattr(error, "reason", error)
                reason = f"it cannot be reached ({cause})"
            if number + 1 < _TRIES:
                self.pause(min(wait, _LONGEST_PAUSE))
        raise SourceFailed(f"{source} failed: {reason}")

    def _wait(self, source: str, a_minute: int) -> None:
        due = self._last.get(source, -60.0) + 60 / a_minute - time.monotonic()
        if source in self._last and due > 0:
            self.pause(due)
        self._last[source] = time.monotonic()


def _read(file: Path) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {**kept, "at": datetime.fromisoformat(kept["at"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
