"""Ids of answers: UUIDs of version 7, whose order is that of time.

Gives ids and the bounds that moments are among them. Must not know what they name.
Source: RFC 9562, sections 5.7 and 6.2 (method 3: parts of a millisecond beside it).
"""

from __future__ import annotations

import random
import time
from datetime import datetime

_RANDOM_BITS = 62
_MILLISECOND = 1_000_000  # in nanoseconds
_CHANCE = random.Random()  # noqa: S311 - begun by the system, an own one in each process; no secret


def new_id(nanoseconds: int | None = None) -> str:
    """Return the id of what happens now, or at so many nanoseconds since 1970."""
    return _id(nanoseconds or time.time_ns(), _CHANCE.getrandbits(_RANDOM_BITS))


def first_id(moment: datetime) -> str:
    """Return the id that no other of a moment or later is below; it is aware of its time zone."""
    return _id(int(moment.timestamp() * 1000) * _MILLISECOND, 0)


def _id(nanoseconds: int, chance: int) -> str:
    milliseconds, rest = divmod(nanoseconds, _MILLISECOND)
    parts = (rest << 12) // _MILLISECOND
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-{0x7000 | parts:04x}"
        f"-{0x8000 | chance >> 48:04x}-{chance & 0xFFFFFFFFFFFF:012x}"
    )
