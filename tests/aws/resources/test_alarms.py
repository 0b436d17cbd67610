"""The alarm topic and alarms on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Found, Ids, Live, Resource
from aws_cloud_infra.resources.references import balancer_dimension
from aws_cloud_infra.resources.watching.alarm import Alarm, Formula, Metric
from aws_cloud_infra.resources.watching.topic import Topic
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes

MAIL = "team@example.com"
BALANCER_ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/front/50dc"
RESTART = "arn:aws:automate:eu-central-1:ec2:reboot"
_ALARM_ARGUMENTS = {
    "Metrics",
    "AlarmName", "AlarmDescription", "Namespace", "MetricName", "Statistic", "ExtendedStatistic",
    "EvaluateLowSampleCountPercentile", "Dimensions", "Unit", "Threshold", "ComparisonOperator",
    "EvaluationPeriods", "DatapointsToAlarm", "Period", "TreatMissingData", "ActionsEnabled",
    "AlarmActions", "OKActions", "InsufficientDataActions",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Balancer(Found):
    kind = "load balancer"
    permissions = ()

    def find(self) -> Live:
        return Live(BALANCER_ARN, {}, None)


def alarms(aws: Aws) -> Sequence[Resource]:
    balancer = Balancer(aws, "front")
    topic = Topic(aws, f"{aws.prefix}-alarms", MAIL)
    return [
        balancer, topic, _errors(aws, topic, balancer), _slow(aws, topic, balancer),
        _share(aws, topic, balancer),
    ]  # fmt: skip


def _errors(aws: Aws, topic: Topic, balancer: Resource) -> Alarm:
    return Alarm(
        aws, f"{aws.prefix}-errors", topic, "Answers with 5xx: look at the log.",
        Metric("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum",
               {"LoadBalancer": balancer_dimension(balancer)}),
        5, "GreaterThanThreshold", 3, 60, "notBreaching", (RESTART,),
    )  # fmt: skip


def _slow(aws: Aws, topic: Topic, balancer: Resource) -> Alarm:
    return Alarm(
        aws, f"{aws.prefix}-slow", topic, "Answers late: look at the CPU.",
        Metric("AWS/ApplicationELB", "TargetResponseTime", "p99",
               {"LoadBalancer": balancer_dimension(balancer), "AvailabilityZone": "eu-central-1a"}),
        0.5, "GreaterThanThreshold", 2, 300, "ignore",
    )  # fmt: skip


def _share(aws: Aws, topic: Topic, balancer: Resource) -> Alarm:
    door = {"LoadBalancer": balancer_dimension(balancer)}
    return Alarm(
        aws, f"{aws.prefix}-share", topic, "One in a hundred fails: look at the log.",
        Formula("100 * errors / requests", {
            "errors": Metric("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", door),
            "requests": Metric("AWS/ApplicationELB", "RequestCount", "Sum", door),
        }),
        1, "GreaterThanThreshold", 3, 60, "notBreaching",
    )  # fmt: skip


def _attribute(name: str, value: str):
    return lambda aws, live: aws.client("sns").set_topic_attributes(
        TopicArn=live.id, AttributeName=name, AttributeValue=value
    )


def _anybody_publishes(aws: Aws, live: Live) -> None:
    aws.client("sns").add_permission(
        TopicArn=live.id, Label="all", AWSAccountId=["999999999999"], ActionName=["Publish"]
    )


def _unsubscribe(aws: Aws, live: Live) -> None:
    sns = aws.client("sns")
    for item in sns.list_subscriptions_by_topic(TopicArn=live.id)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])


def _eavesdrop(aws: Aws, live: Live) -> None:
    aws.client("sns").subscribe(TopicArn=live.id, Protocol="email", Endpoint="eve@example.org")


def _with(**changed: Any):
    """Write an alarm again as it is but for this; None takes an argument away."""

    def change(aws: Aws, live: Live) -> None:
        cloudwatch = aws.client("cloudwatch")
        name = live.id.rpartition(":alarm:")[2]
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        kept = {key: alarm[key] for key in _ALARM_ARGUMENTS & alarm.keys()} | changed
        cloudwatch.put_metric_alarm(**{k: v for k, v in kept.items() if v is not None})

    return change


def _asking(**changed: Any):
    """Write an alarm on a formula again with this changed in what it asks of its first metric."""

    def change(aws: Aws, live: Live) -> None:
        name = live.id.rpartition(":alarm:")[2]
        (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        result, first, *others = alarm["Metrics"]
        stat = first["MetricStat"]
        asked = {**stat, "Metric": {**stat["Metric"], **changed.pop("Metric", {})}, **changed}
        _with(Metrics=[result, {**first, "MetricStat": asked}, *others])(aws, live)

    return change


def _another_formula(aws: Aws, live: Live) -> None:
    name = live.id.rpartition(":alarm:")[2]
    (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    result, *metrics = alarm["Metrics"]
    _with(Metrics=[{**result, "Expression": "errors / 1000"}, *metrics])(aws, live)


def _silence(aws: Aws, live: Live) -> None:
    aws.client("cloudwatch").disable_alarm_actions(AlarmNames=[live.id.rpartition(":alarm:")[2]])


OF_A_METRIC = [
    ("namespace", _with(Namespace="AWS/EC2")),
    ("metric", _with(MetricName="RequestCount")),
    ("statistic", _with(Statistic="Minimum", ExtendedStatistic=None,
                        EvaluateLowSampleCountPercentile=None)),
    ("statistic", _with(Statistic=None, ExtendedStatistic="p50")),
    ("dimensions", _with(Dimensions=[{"Name": "LoadBalancer", "Value": "app/other/1"}])),
    ("dimensions", _with(Dimensions=[])),
    ("unit", _with(Unit="Gigabytes")),
    ("period_seconds", _with(Period=3600)),
]  # fmt: skip
OF_A_FORMULA = [
    ("formula", _another_formula),
    ("metrics.errors.namespace", _asking(Metric={"Namespace": "AWS/EC2"})),
    ("metrics.errors.metric", _asking(Metric={"MetricName": "HTTPCode_Target_4XX_Count"})),
    ("metrics.errors.dimensions", _asking(Metric={"Dimensions": []})),
    ("metrics.errors.statistic", _asking(Stat="Minimum")),
    ("metrics.errors.period_seconds", _asking(Period=3600)),
    ("metrics", _with(Metrics=None, Namespace="AWS/EC2", MetricName="CPUUtilization",
                      Statistic="Sum", Period=60)),
]  # fmt: skip
OF_ALL = [
    ("purpose", _with(AlarmDescription="?")),
    ("threshold", _with(Threshold=1_000_000)),
    ("comparison", _with(ComparisonOperator="LessThanThreshold")),
    ("periods", _with(EvaluationPeriods=10)),
    ("periods_that_count", _with(DatapointsToAlarm=1)),
    ("missing", _with(TreatMissingData="breaching")),
    ("actions_enabled", _silence),
    ("when_alarm", _with(AlarmActions=[])),
    ("when_ok", _with(OKActions=[])),
    ("when_no_data", _with(InsufficientDataActions=["arn:aws:sns:eu-central-1:1:else"])),
]  # fmt: skip
DRIFTS = [
    Drift(Topic, "display_name", _attribute("DisplayName", "somebody")),
    Drift(Topic, "encryption_key", _attribute("KmsMasterKeyId", "alias/aws/sns")),
    Drift(Topic, "policy", _anybody_publishes),
    Drift(Topic, "policy", _attribute("Policy", json.dumps({"Statement": []}))),
    Drift(Topic, "subscribers", _unsubscribe),
    Drift(Topic, "subscribers", _eavesdrop),
    *(Drift(Alarm, setting, change, name)
      for name in ("errors", "slow", "share") for setting, change in OF_ALL),
    *(Drift(Alarm, setting, change, name)
      for name in ("errors", "slow") for setting, change in OF_A_METRIC),
    *(Drift(Alarm, setting, change, "share") for setting, change in OF_A_FORMULA),
    Drift(Alarm, "few_values", _with(EvaluateLowSampleCountPercentile="ignore"), "slow"),
]  # fmt: skip


def test_topic_and_alarms_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, alarms, DRIFTS)


def test_an_alarm_that_a_hand_put_on_a_formula_is_put_back_on_its_metric(account: Account) -> None:
    aws = account.aws()
    resources = alarms(aws)
    apply(plan(resources), quietly)
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{aws.prefix}-errors", EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Metrics=[{"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
    )  # fmt: skip

    changes = plan(resources)
    apply(changes, quietly)

    assert "metric" in what_changes(changes)[f"alarm {aws.prefix}-errors"]
    assert {} == what_changes(plan(resources))


def test_an_alarm_that_rings_is_said_to(account: Account) -> None:
    aws = account.aws()
    resources = alarms(aws)
    apply(plan(resources), quietly)
    aws.client("cloudwatch").set_alarm_state(
        AlarmName=f"{aws.prefix}-slow", StateValue="ALARM", StateReason="2 datapoints above 0.5"
    )

    notes = [change.live.notes for change in plan(resources) if change.live]

    assert [(), (), (), ("is in ALARM: 2 datapoints above 0.5",), ()] == notes


def test_alarms_need_what_their_dimensions_name(account: Account) -> None:
    balancer, topic, errors, _, share = alarms(account.aws())

    assert {balancer, topic} == set(errors.needs) == set(share.needs)
    assert {"LoadBalancer": "(load balancer front, to be made)"} == errors.desired(Ids())[
        "dimensions"
    ]


def test_an_alarm_costs_as_much_as_the_metrics_it_watches(account: Account) -> None:
    *_, errors, _, share = alarms(account.aws())

    assert ((("alarm", 1),), (("alarm", 2),)) == (errors.prices, share.prices)


def test_only_alarms_of_this_account_and_events_may_publish_encrypted(
    account: Account,
) -> None:
    (topic,) = (item for item in alarms(account.aws()) if isinstance(item, Topic))

    allowed, events, denied = topic.desired(Ids())["policy"]["Statement"]

    assert "Allow" == allowed["Effect"]
    assert {"Service": "cloudwatch.amazonaws.com"} == allowed["Principal"]
    assert {"aws:SourceAccount": "123456789012"} == allowed["Condition"]["StringEquals"]
    assert ("Allow", {"Service": "events.amazonaws.com"}) == (
        events["Effect"],
        events["Principal"],
    )
    assert ("Deny", {"Bool": {"aws:SecureTransport": "false"}}) == (
        denied["Effect"],
        denied["Condition"],
    )


def test_without_an_address_nobody_is_subscribed(account: Account) -> None:
    aws = account.aws()
    apply(plan([Topic(aws, "alarms", MAIL)]), quietly)

    without = Topic(aws, "alarms", None)
    apply(plan([without]), quietly)

    live = without.find()
    assert live is not None
    assert [] == live.settings["subscribers"]


@pytest.fixture
def unconfirmed(account: Account) -> boto3.Session:
    """As AWS says it until somebody follows the link in the mail; the emulator confirms at once."""
    session = account.session()

    def not_yet(parsed: dict[str, Any], **_: Any) -> None:
        for item in parsed["Subscriptions"]:
            item["SubscriptionArn"] = "PendingConfirmation"

    session.events.register("after-call.sns.ListSubscriptionsByTopic", not_yet)
    return session


def test_a_subscription_that_waits_for_confirmation_is_there(
    account: Account, unconfirmed: boto3.Session
) -> None:
    topic = Topic(account.aws(unconfirmed), "alarms", MAIL)
    apply(plan([topic]), quietly)

    (change,) = plan([topic])

    assert {} == what_changes([change])
    assert change.live is not None
    assert (f"waits for {MAIL} to confirm the subscription",) == change.live.notes


def test_an_invitation_that_nobody_can_take_back_is_no_drift(
    account: Account, unconfirmed: boto3.Session
) -> None:
    topic = Topic(account.aws(unconfirmed), "alarms", MAIL)
    apply(plan([topic]), quietly)
    _eavesdrop(topic.aws, Live(topic.arn, {}, None))

    assert {} == what_changes(plan([topic]))
