"""What AWS asks for, from the price table beside this file: list prices of one region and date.

Takes names of entries, gives dollars. Must not know resources.
"""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

HOURS = 730
"""Hours in an average month."""


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))


def sizes(service: str) -> tuple[str, ...]:
    """Return the sizes of `ec2` or `rds` that have a price, and so may be chosen."""
    return tuple(_table()[service])


def price(entry: str) -> float:
    """Return the price of an entry: a unit, or a size of another table as "ec2 t3.small"."""
    units = _table()["units"]
    if entry in units:
        return float(units[entry])
    table, _, size = entry.partition(" ")
    return float(_table()[table][size])


def months_old(today: date) -> int:
    """Return how many months ago these prices were looked up."""
    year, month = map(int, _table()["date"].split("-"))
    return 12 * (today.year - year) + today.month - month


def basis(today: date) -> str:
    """Return which prices these are."""
    looked_up, age = f"{_table()['region']}, {_table()['date']}", months_old(today)
    return f"list prices of {looked_up}, {age} months old, in US dollars"
