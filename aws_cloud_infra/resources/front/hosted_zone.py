"""The zone of Route 53 that the service's name is in, and the records in it.

Takes the id of a zone that is there, gives its records. Must not write a record that is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import read
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.account.patience import no_patience
from aws_cloud_infra.engine.resource import Found, Live, Permission

ZONE = "arn:{partition}:route53:::hostedzone/{zone}"
_KEY = "route53:ChangeResourceRecordSets"
CHANGES = Permission(
    ("route53:ChangeResourceRecordSets",),
    (ZONE,),
    {
        "ForAllValues:StringLike": {f"{_KEY}NormalizedRecordNames": ("{name}", "_*.{name}")},
        "ForAllValues:StringEquals": {f"{_KEY}RecordTypes": ("A", "CNAME")},
    },
)
"""The name itself and what proves it: no other record of the zone."""


@dataclass(frozen=True, eq=False)
class HostedZone(Found):
    """A public zone, in which the domain's name must be."""

    domain: str

    kind = "hosted zone"
    permissions = (
        Permission(("route53:GetHostedZone", "route53:ListResourceRecordSets"), (ZONE,)),
    )

    def find(self) -> Live:
        """Return it. Raises AwsRefused if there is none, or if the domain cannot be in it."""
        answer = read(self.aws.client("route53").get_hosted_zone, Id=self.name)
        if answer is None:
            raise AwsRefused(
                f"There is no hosted zone {self.name} in this account: correct hosted_zone_id."
            )
        zone = answer["HostedZone"]["Name"].rstrip(".")
        if answer["HostedZone"]["Config"].get("PrivateZone"):
            raise AwsRefused(
                f"{self} ({zone}) is private, so nobody outside would find {self.domain} in it: "
                "correct hosted_zone_id."
            )
        if self.domain != zone and not self.domain.endswith(f".{zone}"):
            raise AwsRefused(
                f"{self} is of {zone}, and {self.domain} is not in that: correct domain or "
                "hosted_zone_id."
            )
        return Live(self.name, {}, None)

    def records(self, name: str) -> list[dict[str, Any]]:
        """Return all records of a name, of any type; none where there is no such zone any more."""
        name = f"{name.rstrip('.')}."
        page = read(
            self.aws.client("route53").list_resource_record_sets,
            HostedZoneId=self.name, StartRecordName=name, MaxItems="10",
        )  # fmt: skip
        listed = page["ResourceRecordSets"] if page else ()
        return [item for item in listed if item["Name"].lower() == name]

    def write(self, record: Mapping[str, Any]) -> None:
        """Make a record, or put it in the place of the one of this name and type."""
        self._change("UPSERT", record)

    def delete_record(self, record: Mapping[str, Any]) -> None:
        """Delete a record, which must be given as it is there; one that is gone is deleted."""
        try:
            with no_patience():
                self._change("DELETE", record)
        except ClientError as error:
            if "not found" not in str(error):
                raise

    def _change(self, action: str, record: Mapping[str, Any]) -> None:
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=self.name,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )
