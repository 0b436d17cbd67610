"""Ids of answers: UUIDs of version 7, whose order is that of time.

Gives ids and the bounds that moments are among them. Must not know what they name.
Source: RFC 9562, sections 5.7 and 6.2 (method 3: parts of a millisecond beside it).
"""

from __future__ import annotations

import os
import time
from datetime import datetime

_VERSION = 7 << 76
_VARIANT = 0b10 << 62
_RANDOM = (1 << 62) - 1
_MILLISECOND = 1_000_000  # in nanoseconds


def new_id() -> str:
    """Return the id of what happens now."""
    return _id(time.time_ns(), int.from_bytes(os.urandom(8)) & _RANDOM)


def first_id(moment: datetime) -> str:
    """Return the id that no other of a moment or later is below; it is aware of its time zone."""
    return _id(int(moment.timestamp() * 1000) * _MILLISECOND, 0)


def _id(nanoseconds: int, random: int) -> str:
    milliseconds, rest = divmod(nanoseconds, _MILLISECOND)
    parts = (rest << 12) // _MILLISECOND
    digits = f"{milliseconds << 80 | _VERSION | parts << 64 | _VARIANT | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
