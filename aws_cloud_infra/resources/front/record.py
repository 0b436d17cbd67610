"""The service's name on the internet. Must not take the place of a record that points elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.engine.resource import Ids, Live, Resource, Settings
from aws_cloud_infra.resources.front.certificate import Certificate
from aws_cloud_infra.resources.front.hosted_zone import CHANGES, HostedZone
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer

_TYPES = {"A", "AAAA", "CNAME"}
"""What would send callers somewhere; other records of the name are none of ours."""


@dataclass(frozen=True, eq=False)
class Record(Resource):
    """A name that is the load balancer's. Records have no tags: ours is what points to ours."""

    zone: HostedZone
    certificate: Certificate
    """Nobody is sent here before it is valid; and it goes last, as by it a former name is found."""
    balancer: LoadBalancer

    kind = "record"
    permissions = (CHANGES,)

    def __str__(self) -> str:
        return f"{super().__str__()} in {self.zone.name}"

    def desired(self, ids: Ids) -> Settings:
        """It follows the load balancer, whatever addresses that has."""
        return {
            "points_to": ids.fact(self.balancer, "dns").lower(),
            "zone": ids.fact(self.balancer, "zone"),
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        there = self._there()
        if not there:
            return None
        told = ", ".join(f"{item['Type']} {_points_to(item)}" for item in there)
        ours = len(there) == 1 and self._is_to_ours(there[0])
        alias = there[0].get("AliasTarget", {})
        return Live(
            told,
            {"points_to": _points_to(there[0]), "zone": alias.get("HostedZoneId")},
            self.aws.tags if ours else {},
        )

    def _there(self) -> list[dict[str, Any]]:
        return [item for item in self.zone.records(self.name) if item["Type"] in _TYPES]

    def _is_to_ours(self, record: dict[str, Any]) -> bool:
        """Return whether it is an alias of a load balancer of our name, be it one that is gone."""
        name = rf"(dualstack\.)?{self.balancer.name}-\d+\.{self.aws.region}\.elb\.amazonaws\.com"
        return "AliasTarget" in record and re.fullmatch(name, _points_to(record)) is not None

    def not_ours(self, live: Live) -> str:
        """Say where it points and what to do."""
        return (
            f"{self} is there already and is not ours ({live.id}): delete it, or give another "
            "domain."
        )

    def create(self, desired: Settings) -> None:
        """Write it; the world sees it within a minute."""
        self.zone.write({
            "Name": self.name,
            "Type": "A",
            "AliasTarget": {
                "DNSName": desired["points_to"],
                "HostedZoneId": desired["zone"],
                "EvaluateTargetHealth": False,
            },
        })  # fmt: skip

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it anew."""
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete it as it is there."""
        for record in self._there():
            if self._is_to_ours(record):
                self.zone.delete_record(record)


def _points_to(record: dict[str, Any]) -> str:
    """Return the name that it is an alias of, or its values."""
    if "AliasTarget" in record:
        return str(record["AliasTarget"]["DNSName"]).rstrip(".").lower()
    return " ".join(item["Value"] for item in record.get("ResourceRecords", ()))
