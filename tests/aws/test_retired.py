"""What an earlier release or other settings made: shown by `plan`, deleted by `apply`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from aws_cloud_infra import infra
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action, Change
from aws_cloud_infra.engine.destroy import plan_destroy
from aws_cloud_infra.engine.plan import plan, plan_stack
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.stacks import both
from tests.aws.account import DELIVERIES, SETTINGS, Account, Killed, Killer
from tests.aws.census import census
from tests.aws.lifecycle import NOBODY, quietly, what_changes
from tests.aws.test_both_stacks import MADE, ours
from tests.aws.things import AWS, Cloud, Thing, Treasure
from tests.aws.trace import denied, trace

P = "sales-forecast-production"
OLD = {"train": ("cron(0 6 ? * MON *)", ("python", "train.py")),
       "batch": ("cron(0 8 ? * MON *)", ("python", "train.py", "forecast"))}  # fmt: skip


def as_of_0_6(serving: Stack) -> Sequence[Resource]:
    """Return the serving stack with the two jobs of 0.6 in place of those of today."""
    ours = {f"{P}-weekly", f"{P}-check"}
    others = [
        item
        for item in serving.resources
        if not (isinstance(item, Schedule | TaskDefinition) and item.name in ours)
    ]
    tasks = {item.name: item for item in serving.retired if isinstance(item, TaskDefinition)}
    old: list[Resource] = []
    for name, (expression, command) in OLD.items():
        task = replace(tasks[f"{P}-{name}"], command=command)
        (schedule,) = (
            item for item in serving.retired
            if isinstance(item, Schedule) and item.name == task.name
        )  # fmt: skip
        old += [task, replace(schedule, task=task, expression=expression, enabled=True)]
    return [*others, *old]


def jobs_of(aws: Aws) -> tuple[list[str], list[str]]:
    """Return what is in the account: names of schedules, and of families of tasks."""
    schedules = aws.client("scheduler").list_schedules()["Schedules"]
    arns = aws.client("ecs").list_task_definitions()["taskDefinitionArns"]
    families = {arn.split("/")[-1].split(":")[0] for arn in arns}
    return sorted(item["Name"] for item in schedules), sorted(families)


ALL: Mapping[str, Any] = {**SETTINGS, **DELIVERIES, "allow_http": True}
NONE: Mapping[str, Any] = {
    "alarm_email": "team@example.com", "budget_dollars": None, "github_repository": None,
    "delivery_layout": None, "allow_http": True,
}  # fmt: skip


def shown(changes: Sequence[Change]) -> set[str]:
    return {str(item.resource) for item in changes if item.action is Action.DELETE}


def test_what_0_6_or_other_settings_made_is_shown_and_deleted_and_nothing_else(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = census(account.session())
    serving, tracking = both(account.aws(**ALL))
    apply(plan(tracking.resources), quietly)
    apply(plan(as_of_0_6(serving)), quietly)
    old = [f"{P}-batch", f"{P}-train"]
    assert (old, [P, *old]) == jobs_of(account.aws())

    another_layout = both(account.aws(**ALL | {"delivery_layout": "daily"}))[1]
    changes = plan_stack(another_layout)
    assert {"catalog table features", "catalog table stores"} == shown(changes)

    for name, value in {**account.environment(), "INFRA_ALARM_EMAIL": "team@example.com"}.items():
        monkeypatch.setenv(name, value)
    jobs = {f"{kind} {name}" for name in old for kind in ("schedule", "task definition")}
    pipeline = {"identity provider GitHub", f"role {P}-github", f"policy {P}-github"}
    assert 2 == main(infra.build, ["plan", "--detailed-exitcode"])
    lines = capsys.readouterr().out.splitlines()
    assert {f"  - {name}" for name in (*jobs, *pipeline, f"budget {P}")} <= set(lines)
    assert f"  + schedule {P}-weekly" in lines
    assert 0 == main(infra.build, ["status"])
    assert f"  retired         schedule {P}-train\n" in capsys.readouterr().out

    stacks = both(account.aws(**NONE), final_snapshot=False)
    going = {str(item) for stack in stacks for item in stack.retired if item.find()}
    for mine, other in (stacks, stacks[::-1]):
        going -= shown(plan_destroy(mine, other, include_data=True))
    assert set() == going, "`destroy` knows of all of it, too"

    # Whoever deletes dies every now and then; the next one goes on.
    session = account.session()
    killer, calls = Killer(session), trace(session)
    stacks = both(account.aws(session, **NONE), final_snapshot=False)
    for stack in stacks:
        apply(plan(stack.resources), quietly)
    left = Stack("left", (), (), retired=(*stacks[0].retired, *stacks[1].retired))
    deaths = 0
    for number in range(40):
        killer.aim(number, "before" if number % 2 else "after", writes_only=True)
        try:
            apply(plan_stack(left), quietly)
        except Killed:
            deaths += 1
        else:
            break
    killer.rest()
    assert deaths > 5
    for stack in stacks:
        assert {} == what_changes(plan_stack(stack))
    expected = Counter(MADE) - Counter(
        {"budgets": 1, "iam Policies": 3, "iam Roles": 1, "iam OpenIDConnectProviderList": 1}
    )
    assert expected == ours(account, baseline)
    printed = [one for stack in stacks for one in policy.statements(stack.resources, stack.retired)]
    assert set() == denied(printed, calls)


def test_what_somebody_else_has_by_such_a_name_stays(account: Account) -> None:
    _, tracking = both(account.aws(**NONE))
    apply(plan([item for item in tracking.own if item.kind == "bucket"]), quietly)
    session = account.session()
    glue, s3, bucket = session.client("glue"), session.client("s3"), f"{P}-mlflow-123456789012"
    glue.create_database(DatabaseInput={"Name": P.replace("-", "_")})
    glue.create_table(DatabaseName=P.replace("-", "_"), TableInput={"Name": "train"})
    queue = session.client("sqs").create_queue(QueueName="theirs")["QueueUrl"]
    told = {"QueueArn": f"arn:aws:sqs:eu-central-1:123456789012:{queue.rpartition('/')[2]}",
            "Events": ["s3:ObjectCreated:*"]}  # fmt: skip
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [told]}
    )
    assert set() == shown(plan_stack(tracking))
    assert {f"bucket {bucket}"} == shown(plan_destroy(tracking, NOBODY, include_data=True))


def test_the_pipeline_does_not_look_for_what_is_retired(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    old = Thing(AWS, "old", cloud)
    apply(plan([old]), quietly)
    monkeypatch.setattr(Aws, "is_pipeline", True)
    monkeypatch.setattr(Thing, "find", None)
    assert [] == plan_stack(Stack("house", (), (), retired=(old,)))


def test_what_is_retired_goes_last_and_only_if_it_is_ours_and_no_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Aws, "is_pipeline", False)
    cloud = Cloud()
    attic, cellar = Thing(AWS, "attic", cloud), Thing(AWS, "cellar", cloud)
    shed, chest = Thing(AWS, "shed", cloud, on=(cellar,)), Treasure(AWS, "chest", cloud)
    apply(plan([attic, cellar, shed, chest]), quietly)
    cloud.there["attic"]["tags"] = {}
    cloud.written.clear()
    house = Stack("house", (), (Thing(AWS, "roof", cloud),), retired=(attic, shed, cellar, chest))
    apply(plan_stack(house), quietly)
    assert ["make roof", "set size of roof", "delete shed", "delete cellar"] == cloud.written
    assert {"attic", "chest", "roof"} == set(cloud.there)
    assert {"attic": Action.KEEP, "chest": Action.KEEP, "roof": Action.DELETE} == {
        change.resource.name: change.action
        for change in plan_destroy(house, NOBODY, include_data=False)
    }
