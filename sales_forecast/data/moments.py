"""Moments as databases keep them: in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return this moment, to the second: MySQL keeps no more."""
    return datetime.now(UTC).replace(microsecond=0)


def in_utc(moment: datetime) -> datetime:
    """Return a stored moment with its time zone, which only PostgreSQL gives back."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
