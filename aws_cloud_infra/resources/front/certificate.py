"""A certificate for the service's name, which a record in the name's zone proves to be ours.

Takes a zone, gives a certificate that is valid. AWS renews it as long as the record is there.
Another zone takes another one, so that the former goes as it came, with its record there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import WaiterError

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.account.patience import tries
from aws_cloud_infra.engine.resource import (
    OURS,
    TO_BE_OURS,
    Ids,
    Live,
    Permission,
    Resource,
    Settings,
)
from aws_cloud_infra.resources.front.hosted_zone import CHANGES, HostedZone

_ALIVE = ("ISSUED", "PENDING_VALIDATION")
"""The first is taken where there are several; one that failed or timed out never comes back."""
_MINUTES = 30
_OFTEN = {"Delay": 10, "MaxAttempts": 6 * _MINUTES}
_PROOF = "as AWS wants it"
_MADE = "ProofMadeHere"
"""The tag that tells that the record was not there before: it is the same for every certificate of
a name in an account, so another one may need it."""
DOMAIN, ZONE = "Domain", "HostedZone"
"""The tags by which it is found, and taken away, once the settings have another name."""
_SECONDS_TO_LIVE = 300

_ARN = "arn:{partition}:acm:{region}:{account}:certificate/*"
READS = (
    Permission(("acm:ListCertificates",)),
    Permission(("acm:DescribeCertificate", "acm:ListTagsForCertificate"), (_ARN,)),
)
DELETES = Permission(("acm:DeleteCertificate",), (_ARN,), OURS)


@dataclass(frozen=True, eq=False)
class Certificate(Resource):
    """A public certificate of ACM for one name, which is its name here; it costs nothing."""

    zone: HostedZone

    kind = "certificate"
    permissions = (
        *READS,
        Permission(("acm:RequestCertificate",), ("*",), TO_BE_OURS),
        Permission(("acm:AddTagsToCertificate",), (_ARN,), TO_BE_OURS),
        DELETES,
        CHANGES,
    )

    @property
    def _tags(self) -> dict[str, str]:
        return {**self.aws.tags, DOMAIN: self.name, ZONE: self.zone.name}

    def __str__(self) -> str:
        return f"{super().__str__()} in {self.zone.name}"

    def desired(self, ids: Ids) -> Settings:
        """Proven to be ours."""
        return {"proof": _PROOF}

    def find(self) -> Live | None:
        """Find one that is alive. `status` is among the settings until it is valid."""
        alive = [
            item
            for item in self._ours()
            if item[0]["Status"] in _ALIVE and self._is_of_this_zone(item[1])
        ]
        if not alive:
            return None
        found, tags = min(alive, key=lambda item: _ALIVE.index(item[0]["Status"]))
        wanted = _wanted(found)
        values = [
            value["Value"].rstrip(".")
            for record in (self.zone.records(wanted["Name"]) if wanted else ())
            for value in record.get("ResourceRecords", ())
        ]
        proven = wanted is not None and values == [wanted["Value"].rstrip(".")]
        settings: Settings = {"proof": _PROOF if proven else " ".join(values)}
        if found["Status"] != _ALIVE[0]:
            settings["status"] = found["Status"]
        return Live(found["CertificateArn"], settings, tags)

    def _ours(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Yield each certificate of this name that has our tags, dead or alive, and its tags."""
        acm = self.aws.client("acm")
        for arn in self._of_the_name():
            answer = read(acm.list_tags_for_certificate, CertificateArn=arn)
            tags = from_tags(answer["Tags"]) if answer else {}
            if self.aws.owns(tags):
                answer = read(acm.describe_certificate, CertificateArn=arn)
                if answer:
                    yield answer["Certificate"], tags

    def _is_of_this_zone(self, tags: dict[str, str]) -> bool:
        return tags.get(ZONE, self.zone.name) == self.zone.name

    def _of_the_name(self) -> list[str]:
        listed = self.aws.pages("acm", "list_certificates", "CertificateSummaryList")
        return [item["CertificateArn"] for item in listed if item["DomainName"] == self.name]

    def create(self, desired: Settings) -> None:
        """Ask for it; it is not valid yet."""
        self.aws.client("acm").request_certificate(
            DomainName=self.name,
            ValidationMethod="DNS",
            IdempotencyToken=uuid.uuid4().hex,  # so a second try asks for no second one
            Tags=as_tags(self._tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Prove that the name is ours, and wait until AWS has seen it.

        Raises AwsRefused if AWS gives none, or if that takes longer than half an hour.
        """
        if "proof" in changed:
            self._prove(live)
        try:
            self.aws.wait("acm", "certificate_validated", CertificateArn=live.id,
                          WaiterConfig=_OFTEN)  # fmt: skip
        except WaiterError as error:
            why = error.last_response.get("Certificate", {}).get("FailureReason")
            if why:
                raise AwsRefused(
                    f"{self}: AWS gives none ({why}). CAA_ERROR means that the CAA records of the "
                    "domain do not name amazon.com. Then run it again."
                ) from error
            raise AwsRefused(
                f"{self} did not get valid within {_MINUTES} minutes: is hosted zone "
                f"{self.zone.name} the one that the world asks for this name? Its name servers "
                "must be those of the domain, at whoever sold it. Then run it again."
            ) from error

    def _prove(self, live: Live) -> None:
        acm = self.aws.client("acm")
        for _ in tries(f"AWS has not said yet how to prove {self.name}"):
            wanted = _wanted(acm.describe_certificate(CertificateArn=live.id)["Certificate"])
            if wanted:
                break
        else:
            raise AwsRefused(f"{self}: AWS does not say how to prove it. Run it again in a minute.")
        marked = {**self._tags, _MADE: "true"}
        if not marked.items() <= (live.tags or {}).items():
            acm.add_tags_to_certificate(CertificateArn=live.id, Tags=as_tags(marked))
        self.zone.write({
            "Name": wanted["Name"],
            "Type": wanted["Type"],
            "TTL": _SECONDS_TO_LIVE,
            "ResourceRecords": [{"Value": wanted["Value"]}],
        })  # fmt: skip

    def delete(self, live: Live) -> None:
        """Delete it, and its proof unless that was there before or another one needs it."""
        ours = list(self._ours())
        others = len(self._of_the_name()) - len(ours)
        for certificate, tags in ours:
            if not self._is_of_this_zone(tags):
                continue
            wanted = _wanted(certificate)
            if wanted and _MADE in tags and not others:
                for record in self.zone.records(wanted["Name"]):
                    self.zone.delete_record(record)
            patiently(
                partial(
                    remove, self.aws.client("acm").delete_certificate,
                    CertificateArn=certificate["CertificateArn"],
                ),
                "ResourceInUse",
            )  # fmt: skip


def _wanted(certificate: dict[str, Any]) -> dict[str, str] | None:
    """Return the record that AWS wants as a proof; None while it has not made it up."""
    options: list[dict[str, Any]] = certificate.get("DomainValidationOptions", [])
    return options[0].get("ResourceRecord") if options else None
