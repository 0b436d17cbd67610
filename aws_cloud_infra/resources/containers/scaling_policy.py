"""By which load a service scales, and how fast it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aws_cloud_infra.account.clients import remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.containers.scalable_target import OF_ECS, TARGETS, ScalableTarget

_TRACKING = "TargetTrackingScaling"
_METRICS = {"cpu": "ECSServiceAverageCPUUtilization", "requests": "ALBRequestCountPerTarget"}
_SECONDS_BEFORE_MORE = 60
_SECONDS_BEFORE_FEWER = 300

_ALARMS = ("arn:{partition}:cloudwatch:{region}:{account}:alarm:TargetTracking-service/{prefix}/*",)
_SCALES = {
    "ForAllValues:StringLike": {
        "cloudwatch:AlarmActions": "arn:{partition}:autoscaling:{region}:{account}:scalingPolicy:*"
    }
}
"""All that such an alarm may do; else it could end any machine of the account."""


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
            TARGETS,
            OF_ECS,
        ),
        # AWS makes two alarms for a policy, and first asks whether the caller might.
        Permission(("cloudwatch:PutMetricAlarm",), _ALARMS, _SCALES),
        Permission(("cloudwatch:DeleteAlarms",), _ALARMS),
        Permission(
            ("cloudwatch:DescribeAlarms",),
            ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",),
        ),
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """The two alarms that AWS makes for it."""
        return (("alarm", 2),)

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
