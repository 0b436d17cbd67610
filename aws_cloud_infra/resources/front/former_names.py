"""Names that the service had by earlier settings: only the tags of their certificates tell them.

Takes the load balancer, gives what is left of all names but today's, or of today's in another
zone. Must not find what is not ours, or was asked for by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import from_tags
from aws_cloud_infra.engine.resource import Found, Live, Permission, Resource
from aws_cloud_infra.resources.front.certificate import (
    DELETES,
    DOMAIN,
    READS,
    ZONE,
    Certificate,
)
from aws_cloud_infra.resources.front.hosted_zone import HostedZone
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.record import Record


@dataclass(frozen=True, eq=False)
class FormerNames(Found):
    """All names that certificates of ours are for, but for the one that the settings have."""

    balancer: LoadBalancer

    kind = "former names"
    permissions = (Permission(("tag:GetResources",)), *READS, DELETES)

    def find(self) -> Live:
        """Find them, each with the zone that it is in."""
        filters = [{"Key": key, "Values": [value]} for key, value in self.aws.tags.items()]
        listed = self.aws.pages(
            "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList",
            ResourceTypeFilters=["acm:certificate"], TagFilters=filters,
        )  # fmt: skip
        tags = [from_tags(item["Tags"]) for item in listed]
        places = {f"{one[ZONE]}/{one[DOMAIN]}" for one in tags if {DOMAIN, ZONE} <= one.keys()}
        today = f"{self.aws.settings.hosted_zone_id}/{self.aws.settings.domain}"
        return Live(self.name, {}, None, facts=dict.fromkeys(sorted(places - {today}), ""))

    def former(self, live: Live) -> tuple[Resource, ...]:
        """Return the record and the certificate of each."""
        made: list[Resource] = []
        for place in live.facts:
            zone, _, name = place.partition("/")
            there = HostedZone(self.aws, zone, name)
            certificate = Certificate(self.aws, name, there)
            made += [Record(self.aws, name, there, certificate, self.balancer), certificate]
        return tuple(made)
