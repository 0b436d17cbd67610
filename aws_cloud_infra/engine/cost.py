"""What a stack costs a month: takes resources, gives dollars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aws_cloud_infra.account.prices import price
from aws_cloud_infra.engine.resource import Resource


@dataclass(frozen=True)
class CostLine:
    """What one resource costs a month, in US dollars."""

    resource: str
    dollars: float


def monthly(resources: Iterable[Resource]) -> list[CostLine]:
    """Return what costs something, in the order given."""
    lines = []
    for resource in resources:
        dollars = sum(units * price(entry) for entry, units in resource.prices)
        if dollars:
            lines.append(CostLine(str(resource), dollars))
    return lines
