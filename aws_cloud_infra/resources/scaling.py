"""Autoscaling of the service: between which bounds, and by which loads.

Takes the service and its image. As long as no image was pushed, both bounds are 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aws_cloud_infra.aws import patiently, remove
from aws_cloud_infra.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.images import is_pushed

_NAMESPACE = "ecs"
_DIMENSION = "ecs:service:DesiredCount"
_SERVICE = "ecs.application-autoscaling.amazonaws.com"
_TRACKING = "TargetTrackingScaling"
_METRICS = {"cpu": "ECSServiceAverageCPUUtilization", "requests": "ALBRequestCountPerTarget"}
_SECONDS_BEFORE_MORE = 60
_SECONDS_BEFORE_FEWER = 300

# AWS knows no narrower name for a target, but it heeds the condition.
_TARGETS = ("arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*",)
_OF_ECS = {"StringEquals": {"application-autoscaling:service-namespace": _NAMESPACE}}


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
            _TARGETS,
            _OF_ECS,
        ),
        Permission(("application-autoscaling:TagResource",), _TARGETS),
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
        """Nothing is to be started while there is nothing to start."""
        pushed = is_pushed(ids[self.image])
        return {
            "min_tasks": self.min_tasks if pushed else 0,
            "max_tasks": self.max_tasks if pushed else 0,
            "suspended": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
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
        register = self.aws.client("application-autoscaling").register_scalable_target
        patiently(register, "assume IAM role", **arguments)

    def delete(self, live: Live) -> None:
        """Deregister the service; its number of tasks stays as it is."""
        remove(
            self.aws.client("application-autoscaling").deregister_scalable_target, **self.address
        )


@dataclass(frozen=True, eq=False)
class ScalingPolicy(Resource):
    """Holds one load of the tasks near a value: more tasks soon, fewer after some minutes."""

    target: ScalableTarget
    metric: Literal["cpu", "requests"]
    value: float
    """Percent of the CPU, or requests a task and minute."""
    balancer: Resource | None = None
    """Counts the requests, as does the target group."""
    target_group: Resource | None = None

    kind = "scaling policy"
    permissions = (
        Permission(("application-autoscaling:DescribeScalingPolicies",)),
        Permission(
            ("application-autoscaling:PutScalingPolicy",
             "application-autoscaling:DeleteScalingPolicy"),
            _TARGETS,
            _OF_ECS,
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """What is tracked, and how fast it is followed."""
        counted: Settings = {}
        if self.balancer and self.target_group:
            counted["counted_by"] = _label(ids[self.balancer], ids[self.target_group])
        return {
            "type": _TRACKING,
            "metric": _METRICS[self.metric],
            "value": float(self.value),
            **counted,
            "seconds_before_more": _SECONDS_BEFORE_MORE,
            "seconds_before_fewer": _SECONDS_BEFORE_FEWER,
            "scales_in": True,
        }

    def find(self) -> Live | None:
        """Find it by the service and its name."""
        policies = self.aws.pages(
            "application-autoscaling", "describe_scaling_policies", "ScalingPolicies",
            **self.target.address,
        )  # fmt: skip
        found = next((item for item in policies if item["PolicyName"] == self.name), None)
        return found and Live(found["PolicyARN"], _settings(found), None)

    def create(self, desired: Settings) -> None:
        """Put it."""
        metric = {"PredefinedMetricType": desired["metric"]}
        if "counted_by" in desired:
            metric["ResourceLabel"] = desired["counted_by"]
        self.aws.client("application-autoscaling").put_scaling_policy(
            **self.target.address,
            PolicyName=self.name,
            PolicyType=desired["type"],
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": desired["value"],
                "PredefinedMetricSpecification": metric,
                "ScaleOutCooldown": desired["seconds_before_more"],
                "ScaleInCooldown": desired["seconds_before_fewer"],
                "DisableScaleIn": not desired["scales_in"],
            },
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Put it again, whole; one of another type must go first."""
        if "type" in changed:
            self.delete(live)
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete it, with the alarms that AWS made for it."""
        remove(
            self.aws.client("application-autoscaling").delete_scaling_policy,
            **self.target.address,
            PolicyName=self.name,
        )


def _label(balancer: str, target_group: str) -> str:
    """Return how autoscaling names both: what their ARNs end with; stand-ins as they are."""
    _, _, balancer_name = balancer.rpartition(":loadbalancer/")
    _, _, target_name = target_group.rpartition(":")
    return f"{balancer_name}/{target_name}"


def _settings(policy: Mapping[str, Any]) -> Settings:
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
    metric = tracking.get("PredefinedMetricSpecification", {})
    settings = {
        "type": policy["PolicyType"],
        "metric": metric.get("PredefinedMetricType", "something else"),
        "value": tracking.get("TargetValue"),
        "seconds_before_more": tracking.get("ScaleOutCooldown"),
        "seconds_before_fewer": tracking.get("ScaleInCooldown"),
        "scales_in": not tracking.get("DisableScaleIn", False),
    }
    if "ResourceLabel" in metric:
        settings["counted_by"] = metric["ResourceLabel"]
    return settings
