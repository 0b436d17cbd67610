"""Ids of answers: UUIDs of version 7, whose order is that of time.

Gives ids and the bounds that moments are among them. Must not know what they name.
Source: RFC 9562, sections 5.7 and 6.2 (method 3: parts of a millisecond beside it).
"""

from __future__ import annotations

import os
import time
from datetime import datetime

_MILLISECOND = 1_000_000  # in nanoseconds
_AT_ONCE = 64
_ENDS: list[str] = []
"""Random digits for the next ids; to ask the system for each took as long as the rest of it."""


def new_id(nanoseconds: int | None = None) -> str:
    """Return the id of what happens now, or at so many nanoseconds since 1970."""
    try:
        end = _ENDS.pop()
    except IndexError:
        end, *others = _ends()
        _ENDS.extend(others)
    return f"{_begin(nanoseconds or time.time_ns())}-{end}"


def first_id(moment: datetime) -> str:
    """Return the id that no other of a moment or later is below; it is aware of its time zone."""
    return f"{_begin(int(moment.timestamp() * 1000) * _MILLISECOND)}-8000-{0:012}"


def _begin(nanoseconds: int) -> str:
    milliseconds, rest = divmod(nanoseconds, _MILLISECOND)
    parts = (rest << 12) // _MILLISECOND
    of = milliseconds >> 16, milliseconds & 0xFFFF, parts
    return "%08x-%04x-7%03x" % of  # noqa: UP031 - takes half as long


def _ends() -> list[str]:
    digits = os.urandom(8 * _AT_ONCE).hex()
    return [
        f"8{digits[at : at + 3]}-{digits[at + 4 : at + 16]}" for at in range(0, len(digits), 16)
    ]
