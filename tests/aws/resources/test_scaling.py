"""Autoscaling on an emulated account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Ids, Live, Resource
from aws_cloud_infra.resources.containers.scalable_target import ScalableTarget
from aws_cloud_infra.resources.containers.scaling_policy import ScalingPolicy
from aws_cloud_infra.resources.front.load_balancer import LoadBalancer
from aws_cloud_infra.resources.front.target_group import TargetGroup
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Given, die_after_each_write, ground

NONE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/forecasts:none"
PUSHED = NONE.replace(":none", f"@sha256:{'a' * 64}")
BALANCER = (
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/forecasts/50dc6c495c0c"
)
TARGETS = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/forecasts/73e2d6bc24"


def scaling(image: str = PUSHED) -> Callable[[Aws], list[Resource]]:
    def build(aws: Aws) -> list[Resource]:
        given = {
            name: Given(aws, text, value)
            for name, text, value in (
                ("cluster", "tasks", "arn"),
                ("service", "forecasts", "arn"),
                ("image", "image", image),
                ("balancer", "balancer", BALANCER),
                ("targets", "targets", TARGETS),
            )
        }
        target = ScalableTarget(
            aws, aws.prefix, given["cluster"], given["service"], given["image"], 2, 5
        )
        cpu = ScalingPolicy(aws, f"{aws.prefix}-cpu", target, "cpu", 60)
        requests = ScalingPolicy(
            aws, f"{aws.prefix}-requests", target, "requests", 6000.0,
            given["balancer"], given["targets"],
        )  # fmt: skip
        return [*given.values(), target, cpu, requests]

    return build


def serve(account: Account) -> None:
    """Make the service that is to be scaled."""
    ecs = account.session().client("ecs")
    ecs.create_cluster(clusterName="tasks")
    ecs.register_task_definition(
        family="forecasts",
        containerDefinitions=[{"name": "app", "image": "forecasts", "memory": 128}],
    )
    ecs.create_service(
        cluster="tasks", serviceName="forecasts", taskDefinition="forecasts", desiredCount=0
    )


ADDRESS = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
    "ResourceId": "service/tasks/forecasts",
}


def _register(**settings: Any):
    return lambda aws, _: aws.client("application-autoscaling").register_scalable_target(
        **ADDRESS, **settings
    )


def _suspend(what: str):
    return _register(SuspendedState={what: True})


def _put(metric: dict[str, Any] | None = None, **settings: Any):
    """Put a policy of the same name with other settings."""

    def change(aws: Aws, live: Live) -> None:
        client = aws.client("application-autoscaling")
        (policy,) = [
            item
            for item in client.describe_scaling_policies(**ADDRESS)["ScalingPolicies"]
            if item["PolicyARN"] == live.id
        ]
        tracking = {**policy["TargetTrackingScalingPolicyConfiguration"], **settings}
        if metric:
            tracking["PredefinedMetricSpecification"] = metric
        client.put_scaling_policy(
            **ADDRESS,
            PolicyName=policy["PolicyName"],
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracking,
        )

    return change


def _put_steps(aws: Aws, _live: Live) -> None:
    aws.client("application-autoscaling").put_scaling_policy(
        **ADDRESS,
        PolicyName=f"{aws.prefix}-cpu",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ExactCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 50}],
        },
    )


COUNT = "ALBRequestCountPerTarget"
DRIFTS = [
    Drift(ScalableTarget, "min_tasks", _register(MinCapacity=0)),
    Drift(ScalableTarget, "max_tasks", _register(MaxCapacity=100)),
    Drift(ScalableTarget, "suspended.DynamicScalingInSuspended",
          _suspend("DynamicScalingInSuspended")),
    Drift(ScalableTarget, "suspended.DynamicScalingOutSuspended",
          _suspend("DynamicScalingOutSuspended")),
    Drift(ScalableTarget, "suspended.ScheduledScalingSuspended",
          _suspend("ScheduledScalingSuspended")),
    Drift(ScalingPolicy, "type", _put_steps, "cpu"),
    Drift(ScalingPolicy, "metric",
          _put({"PredefinedMetricType": "ECSServiceAverageMemoryUtilization"}), "cpu"),
    Drift(ScalingPolicy, "value", _put(TargetValue=99.0), "cpu"),
    Drift(ScalingPolicy, "seconds_before_more", _put(ScaleOutCooldown=3600), "cpu"),
    Drift(ScalingPolicy, "seconds_before_fewer", _put(ScaleInCooldown=0), "cpu"),
    Drift(ScalingPolicy, "scales_in", _put(DisableScaleIn=True), "cpu"),
    Drift(ScalingPolicy, "counted_by",
          _put({"PredefinedMetricType": COUNT, "ResourceLabel": "app/a/1/targetgroup/b/2"}),
          "requests"),
]  # fmt: skip


def test_autoscaling_is_made_healed_and_removed(account: Account) -> None:
    serve(account)
    check_life(account, scaling(), DRIFTS)


def test_without_an_image_autoscaling_starts_nothing_and_with_one_it_may(account: Account) -> None:
    serve(account)
    aws = account.aws()
    lives = apply(plan(scaling(NONE)(aws)), quietly)
    assert (2, 5, {True}) == bounds(lives)
    pushed = scaling(PUSHED)(aws)
    assert ["scalable target sales-forecast-production"] == [*what_changes(plan(pushed))]
    assert (2, 5, {False}) == bounds(apply(plan(pushed), quietly))


def bounds(lives: dict[Resource, Live]) -> tuple[int, int, set[bool]]:
    (found,) = (live for resource, live in lives.items() if isinstance(resource, ScalableTarget))
    settings = found.settings
    return settings["min_tasks"], settings["max_tasks"], {*settings["suspended"].values()}


def test_requests_are_counted_by_what_the_arns_end_with(account: Account) -> None:
    ids = Ids()
    *_, balancer, targets, _, _, policy = resources = scaling()(account.aws())
    for resource in resources[:5]:
        live = resource.find()
        assert live is not None
        ids.know(resource, live)
    assert [BALANCER, TARGETS] == [ids[balancer], ids[targets]]
    label = "app/forecasts/50dc6c495c0c/targetgroup/forecasts/73e2d6bc24"
    assert label == policy.desired(ids)["counted_by"]


def test_in_the_plan_of_an_empty_account_the_label_is_readable(account: Account) -> None:
    aws = account.aws()
    base = ground(aws)
    balancer = LoadBalancer(aws, aws.prefix, base.group, base.subnets, base.logs)
    targets = TargetGroup(aws, aws.prefix, base.vpc, 8000, "/health")
    target = ScalableTarget(aws, aws.prefix, base.vpc, base.vpc, base.vpc, 1, 2)
    policy = ScalingPolicy(aws, aws.prefix, target, "requests", 1.0, balancer, targets)
    assert (
        "(load balancer sales-forecast-production, to be made)/"
        "(target group sales-forecast-production, to be made)"
    ) == policy.desired(Ids())["counted_by"]


def test_killed_after_any_write_there_is_one_of_each(account: Account) -> None:
    serve(account)
    assert die_after_each_write(account, scaling()) >= 2
    client = account.session().client("application-autoscaling")
    assert 1 == len(client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"])
    assert 2 == len(client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"])


def test_a_scalable_target_that_is_gone_takes_nothing_with_it(account: Account) -> None:
    serve(account)
    *_, cpu, _ = resources = scaling()(account.aws())
    apply(plan(resources), quietly)
    account.session().client("application-autoscaling").deregister_scalable_target(**ADDRESS)
    assert cpu.find() is not None, "the emulator leaves it; AWS deletes it, too"
    apply(plan(resources), quietly)
    assert {} == what_changes(plan(resources))
