"""The cluster that tasks run under."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, remove
from aws_cloud_infra.engine.resource import TO_BE_OURS, Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.containers.ecs import LINKED_ROLE, TAGS


@dataclass(frozen=True, eq=False)
class Cluster(Resource):
    """A name for tasks to run under; Fargate has no machines in it."""

    kind = "ECS cluster"
    permissions = (
        Permission(
            ("ecs:CreateCluster",),
            condition=TO_BE_OURS,
        ),
        Permission(
            ("ecs:DescribeClusters", "ecs:UpdateCluster", "ecs:DeleteCluster"),
            ("arn:{partition}:ecs:{region}:{account}:cluster/{name}",),
        ),
        TAGS,
        LINKED_ROLE,
    )

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("ecs", f"cluster/{self.name}")

    def desired(self, ids: Ids) -> Settings:
        """No metrics of each container: they cost, and the service's own say enough."""
        return {"container_insights": "disabled"}

    def find(self) -> Live | None:
        """Find it by its name; AWS remembers deleted ones as inactive."""
        found = self.aws.client("ecs").describe_clusters(
            clusters=[self.name], include=["TAGS", "SETTINGS"]
        )["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        told = {item["name"]: item["value"] for item in found[0].get("settings", ())}
        return Live(
            found[0]["clusterArn"],
            {"container_insights": told.get("containerInsights", "disabled")},
            from_tags(found[0].get("tags"), "key", "value"),
        )

    def create(self, desired: Settings) -> None:
        """Make it; the first one of an account makes a role for ECS as well."""
        self.aws.client("ecs").create_cluster(
            clusterName=self.name,
            settings=_insights(desired),
            tags=as_tags(self.aws.tags, "key", "value"),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Switch the metrics."""
        self.aws.client("ecs").update_cluster(cluster=self.name, settings=_insights(desired))

    def delete(self, live: Live) -> None:
        """Delete it as soon as its last task has stopped."""
        patiently(
            lambda: remove(self.aws.client("ecs").delete_cluster, cluster=self.name),
            "ClusterContains",
            minutes=10,
        )


def _insights(desired: Settings) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": desired["container_insights"]}]
