"""What a stack costs a month, from the price table beside this file.

Takes resources, gives dollars. Prices are list prices of one region and date; the table says which.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_cloud_infra.resource import Resource

HOURS = 730
"""Hours in an average month."""


@dataclass(frozen=True)
class CostLine:
    """What one resource costs a month, in US dollars."""

    resource: str
    dollars: float


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))


def priced(service: str) -> tuple[str, ...]:
    """Return the sizes of `ec2` or `rds` that have a price, and so may be chosen."""
    return tuple(_table()[service])


def monthly(resources: Iterable[Resource]) -> list[CostLine]:
    """Return what costs something, in the order given."""
    lines = []
    for resource in resources:
        dollars = sum(units * _price(entry) for entry, units in resource.prices)
        if dollars:
            lines.append(CostLine(str(resource), dollars))
    return lines


def basis() -> str:
    """Return which prices these are."""
    return f"list prices of {_table()['region']}, {_table()['date']}, in US dollars"


def _price(entry: str) -> float:
    """Return the price of an entry: a unit, or an `ec2` or `rds` size as "ec2 t3.small"."""
    units = _table()["units"]
    if entry in units:
        return float(units[entry])
    table, _, size = entry.partition(" ")
    return float(_table()[table][size])
