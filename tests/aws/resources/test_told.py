"""What tells that something happened or did not: event rules, the queue and the budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Ids, Live, Resource
from aws_cloud_infra.resources.watching.budget import Budget
from aws_cloud_infra.resources.watching.event_rule import EventRule
from aws_cloud_infra.resources.watching.queue import Queue
from aws_cloud_infra.stacks import both
from tests.aws.account import Account
from tests.aws.lifecycle import Drift, check_life, quietly
from tests.aws.resources.ground import Given
from tests.aws.things import AWS

MAIL = "team@example.com"


def told(aws: Aws) -> Sequence[Resource]:
    topic = Given(aws, "alarms", aws.arn("sns", "alarms"))
    rule = EventRule(
        aws, f"{aws.prefix}-failed", topic, "A job failed.", {"source": ["aws.ecs"]},
        {"why": "$.detail.stoppedReason"}, "It failed: <why>",
    )  # fmt: skip
    return [topic, rule, Queue(aws, f"{aws.prefix}-left"), Budget(aws, aws.prefix, 50, MAIL)]


def _rule(**changed: Any):
    def change(aws: Aws, live: Live) -> None:
        events, name = aws.client("events"), live.id.rsplit("/", 1)[1]
        found = events.describe_rule(Name=name)
        kept = {key: found[key] for key in ("Description", "State", "EventPattern")}
        events.put_rule(Name=name, **{**kept, **changed})

    return change


def _target(**changed: Any):
    def change(aws: Aws, live: Live) -> None:
        events, name = aws.client("events"), live.id.rsplit("/", 1)[1]
        (found,) = events.list_targets_by_rule(Rule=name)["Targets"]
        events.put_targets(Rule=name, Targets=[{**found, **changed}])

    return change


def _no_target(aws: Aws, live: Live) -> None:
    aws.client("events").remove_targets(Rule=live.id.rsplit("/", 1)[1], Ids=["topic"])


def _attribute(name: str, value: str):
    def change(aws: Aws, live: Live) -> None:
        sqs = aws.client("sqs")
        url = sqs.get_queue_url(QueueName=live.id.rsplit(":", 1)[1])["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: value})

    return change


def _budget(email: str = MAIL, kind: str = "ACTUAL", **changed: Any):
    """Write the budget anew by hand, with our tags, as it is but for this."""

    def change(aws: Aws, live: Live) -> None:
        budgets, name = aws.client("budgets"), live.id.rsplit("/", 1)[1]
        tags = budgets.list_tags_for_resource(ResourceARN=live.id)["ResourceTags"]
        budgets.delete_budget(AccountId=aws.account, BudgetName=name)
        shape = {"BudgetLimit": {"Amount": "50", "Unit": "USD"}, "TimeUnit": "MONTHLY",
                 "BudgetType": "COST"}  # fmt: skip
        notified = [
            {"Notification": {"NotificationType": told, "ComparisonOperator": "GREATER_THAN",
                              "Threshold": percent, "ThresholdType": "PERCENTAGE"},
             "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}]}
            for told, percent in (("ACTUAL", 80), (kind, 100), ("FORECASTED", 100))
        ]  # fmt: skip
        budgets.create_budget(
            AccountId=aws.account, Budget={"BudgetName": name, **shape, **changed},
            NotificationsWithSubscribers=notified, ResourceTags=tags,
        )  # fmt: skip

    return change


DRIFTS = [
    Drift(EventRule, "purpose", _rule(Description="?")),
    Drift(EventRule, "state", _rule(State="DISABLED")),
    Drift(EventRule, "pattern.source", _rule(EventPattern=json.dumps({"source": ["aws.s3"]}))),
    Drift(EventRule, "pattern.account", _rule(
        EventPattern=json.dumps({"source": ["aws.ecs"], "account": ["1"]}))),
    Drift(EventRule, "schedule", _rule(ScheduleExpression="rate(1 minute)")),
    Drift(EventRule, "targets", _no_target),
    Drift(EventRule, "targets.topic.Arn", _target(Arn="arn:aws:sns:eu-central-1:1:else")),
    Drift(EventRule, "targets.topic.InputTransformer", _target(
        InputTransformer={"InputTemplate": '"all is well"'})),
    Drift(EventRule, "targets.other", _target(Id="other")),
    Drift(Queue, "MessageRetentionPeriod", _attribute("MessageRetentionPeriod", "60")),
    Drift(Queue, "SqsManagedSseEnabled", _attribute("SqsManagedSseEnabled", "false")),
    Drift(Queue, "Policy", _attribute("Policy", json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}))),
    Drift(Budget, "dollars", _budget(BudgetLimit={"Amount": "5000", "Unit": "USD"})),
    Drift(Budget, "unit", _budget(BudgetLimit={"Amount": "50", "Unit": "EUR"})),
    Drift(Budget, "time", _budget(TimeUnit="ANNUALLY")),
    Drift(Budget, "type", _budget(BudgetType="USAGE")),
    Drift(Budget, "told", _budget("eve@example.org")),
    Drift(Budget, "told.ACTUAL 100", _budget(kind="FORECASTED")),
]  # fmt: skip


def test_rule_queue_and_budget_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, told, DRIFTS)


def test_how_many_jobs_could_not_be_started_is_said(account: Account) -> None:
    aws = account.aws()
    *_, queue, _ = told(aws)
    apply(plan([queue]), quietly)
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue.name)["QueueUrl"], MessageBody="?")

    live = queue.find()

    assert live is not None
    assert ("holds 1 that could not be started",) == live.notes


def stopped(**changed: Any) -> dict[str, Any]:
    """Return what ECS tells of a weekly job that ended well, but for this."""
    detail = {
        "clusterArn": f"arn:aws:ecs:eu-central-1:{AWS.account}:cluster/{AWS.prefix}",
        "group": f"family:{AWS.prefix}-weekly", "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "containers": [{"name": "app", "exitCode": 0}],
    }  # fmt: skip
    return {
        "source": "aws.ecs", "detail-type": "ECS Task State Change", "account": AWS.account,
        "detail": {key: value for key, value in {**detail, **changed}.items() if value},
    }  # fmt: skip


def fits(pattern: Any, found: list[Any]) -> bool:
    """Return whether any of these fits, as EventBridge says: lists are looked into, one by one."""
    if isinstance(pattern, dict):
        return all(
            any(fits(either, found) for either in wanted)
            if key == "$or"
            else fits(wanted, [inner for item in found for inner in as_list(item.get(key))])
            for key, wanted in pattern.items()
        )
    return any(
        item != wanted["anything-but"] if isinstance(wanted, dict) else item == wanted
        for wanted in pattern
        for item in found
    )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


@pytest.mark.parametrize(
    ("event", "rings"),
    [
        (stopped(), False),
        (stopped(containers=[{"name": "app", "exitCode": 1}]), True),
        (stopped(containers=[{"name": "app", "exitCode": 137}]), True),
        (stopped(containers=[{"name": "app"}], stopCode="TaskFailedToStart"), True),
        (stopped(containers=[{"name": "app", "exitCode": 0}], stopCode="UserInitiated"), True),
        (stopped(lastStatus="RUNNING", stopCode=None, containers=[{"name": "app"}]), False),
        (stopped(group=f"service:{AWS.prefix}", stopCode="TaskFailedToStart"), False),
        (stopped(clusterArn="arn:aws:ecs:eu-central-1:1:cluster/else", stopCode="X"), False),
    ],
    ids=["well", "failed", "out of memory", "not started", "stopped by hand", "runs", "service",
         "another cluster"],
)  # fmt: skip
def test_a_job_that_does_not_end_well_is_told(event: dict[str, Any], rings: bool) -> None:
    (rule,) = (item for item in both(AWS)[0].own if isinstance(item, EventRule))

    assert rings == fits(rule.desired(Ids())["pattern"], [event])


@pytest.mark.parametrize(
    ("database", "category", "rings"),
    [
        (AWS.prefix, "failure", True),
        (AWS.prefix, "failover", True),
        (AWS.prefix, "low storage", True),
        (AWS.prefix, "backup", False),
        ("another", "failure", False),
    ],
)
def test_a_database_that_fails_is_told(database: str, category: str, rings: bool) -> None:
    (rule,) = (item for item in both(AWS)[1].own if isinstance(item, EventRule))
    event = {
        "source": "aws.rds", "detail-type": "RDS DB Instance Event",
        "detail": {"EventCategories": [category],
                   "SourceArn": f"arn:aws:rds:eu-central-1:{AWS.account}:db:{database}"},
    }  # fmt: skip
    assert rings == fits(rule.desired(Ids())["pattern"], [event])
