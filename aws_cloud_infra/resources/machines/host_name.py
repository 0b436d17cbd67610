"""The name of a machine inside of its VPC, which stays when another takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.machines.private_zone import ANY, PrivateZone

_KEY = "route53:ChangeResourceRecordSets"
_SECONDS_TO_LIVE = 60
"""How long callers may go on to ask a machine that was replaced."""


@dataclass(frozen=True, eq=False)
class HostName(Resource):
    """A record in a private zone, with the address of a machine."""

    zone: PrivateZone
    host: Resource

    kind = "host name"
    fixed = frozenset({"zone"})
    permissions = (
        Permission(("route53:ListHostedZonesByName",)),
        Permission(("route53:ListResourceRecordSets",), (ANY,)),
        Permission(
            (_KEY,),
            (ANY,),
            {
                "ForAllValues:StringEquals": {
                    f"{_KEY}NormalizedRecordNames": "mlflow.{prefix}.internal",
                    f"{_KEY}RecordTypes": "A",
                }
            },
        ),
    )

    def desired(self, ids: Ids) -> Settings:
        """It follows the machine."""
        return {
            "zone": ids[self.zone],
            "address": ids.fact(self.host, "address"),
            "seconds": _SECONDS_TO_LIVE,
        }

    def find(self) -> Live | None:
        """Find it in its zone."""
        zone = self.zone.find()
        found = zone and self._record(zone.id)
        if not zone or not found:
            return None
        values = [item["Value"] for item in found.get("ResourceRecords", ())]
        settings = {"zone": zone.id, "address": " ".join(values), "seconds": found.get("TTL")}
        return Live(self.name, settings, zone.tags, facts={"name": self.name})

    def _record(self, zone: str) -> dict[str, Any] | None:
        answer = read(
            self.aws.client("route53").list_resource_record_sets,
            HostedZoneId=zone, StartRecordName=self.name, StartRecordType="A", MaxItems="1",
        )  # fmt: skip
        found = answer["ResourceRecordSets"] if answer else ()
        return next(
            (item for item in found if (item["Name"], item["Type"]) == (f"{self.name}.", "A")), None
        )

    def create(self, desired: Settings) -> None:
        """Write it."""
        record = {
            "Name": self.name, "Type": "A", "TTL": desired["seconds"],
            "ResourceRecords": [{"Value": desired["address"]}],
        }  # fmt: skip
        self._change(desired["zone"], "UPSERT", record)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it anew."""
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete it as it is there."""
        zone = live.settings["zone"]
        if record := self._record(zone):
            self._change(zone, "DELETE", record)

    def _change(self, zone: str, action: str, record: dict[str, Any]) -> None:
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=zone,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )
