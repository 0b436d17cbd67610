"""Between which bounds a service scales. As long as no image was pushed, it is suspended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.containers.image import is_pushed

_NAMESPACE = "ecs"
_DIMENSION = "ecs:service:DesiredCount"
_SERVICE = "ecs.application-autoscaling.amazonaws.com"

# AWS knows no narrower name for a target, but it heeds the condition.
TARGETS = ("arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*",)
OF_ECS = {"StringEquals": {"application-autoscaling:service-namespace": _NAMESPACE}}


@dataclass(frozen=True, eq=False)
class ScalableTarget(Resource):
    """The bounds of a service's number of tasks. It belongs to the service, which has the tags."""

    cluster: Resource
    service: Resource
    image: Resource
    min_tasks: int
    max_tasks: int

    kind = "scalable target"
    permissions = (
        Permission(("application-autoscaling:DescribeScalableTargets",)),
        Permission(
            ("application-autoscaling:RegisterScalableTarget",
             "application-autoscaling:DeregisterScalableTarget"),
            TARGETS,
            OF_ECS,
        ),
        Permission(("application-autoscaling:TagResource",), TARGETS),
        Permission(
            ("iam:CreateServiceLinkedRole",),
            (f"arn:{{partition}}:iam::{{account}}:role/aws-service-role/{_SERVICE}/*",),
            {"StringEquals": {"iam:AWSServiceName": _SERVICE}},
        ),
    )  # fmt: skip

    @property
    def resource_id(self) -> str:
        """What autoscaling calls the service; known before it exists."""
        return f"service/{self.cluster.name}/{self.service.name}"

    @property
    def address(self) -> dict[str, str]:
        """What every call about it takes."""
        return {
            "ServiceNamespace": _NAMESPACE,
            "ScalableDimension": _DIMENSION,
            "ResourceId": self.resource_id,
        }

    def desired(self, ids: Ids) -> Settings:
        """Nothing is to be started while there is nothing to start.

        Bounds of 0 would say so, too; but they would last while the first tasks start, and any
        scaling in that time would stop them.
        """
        nothing_to_start = not is_pushed(ids[self.image])
        return {
            "min_tasks": self.min_tasks,
            "max_tasks": self.max_tasks,
            "suspended": {
                "DynamicScalingInSuspended": nothing_to_start,
                "DynamicScalingOutSuspended": nothing_to_start,
                "ScheduledScalingSuspended": nothing_to_start,
            },
        }

    def find(self) -> Live | None:
        """Find it by the names of cluster and service."""
        found = self.aws.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace=_NAMESPACE,
            ScalableDimension=_DIMENSION,
            ResourceIds=[self.resource_id],
        )["ScalableTargets"]
        if not found:
            return None
        target = found[0]
        return Live(
            self.resource_id,
            {
                "min_tasks": target["MinCapacity"],
                "max_tasks": target["MaxCapacity"],
                "suspended": target.get("SuspendedState") or {},
            },
            None,
        )

    def create(self, desired: Settings) -> None:
        """Register the service; the first one of an account makes a role for autoscaling too."""
        self._register(desired, Tags=self.aws.tags)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Register it again: that is how bounds change. AWS takes tags only the first time."""
        self._register(desired)

    def _register(self, desired: Settings, **more: Any) -> None:
        arguments = {
            **self.address,
            "MinCapacity": desired["min_tasks"],
            "MaxCapacity": desired["max_tasks"],
            "SuspendedState": desired["suspended"],
            **more,
        }
        self.aws.client("application-autoscaling").register_scalable_target(**arguments)

    def delete(self, live: Live) -> None:
        """Deregister the service; its number of tasks stays as it is."""
        remove(
            self.aws.client("application-autoscaling").deregister_scalable_target, **self.address
        )
