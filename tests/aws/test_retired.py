"""What an earlier release made and this one does not: shown by `plan`, deleted by `apply`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from aws_cloud_infra import infra
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan, plan_stack
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.containers.schedule import Schedule
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, Killed, Killer
from tests.aws.lifecycle import NOBODY, quietly
from tests.aws.things import AWS, Cloud, Thing

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


def test_an_upgrade_replaces_both_schedules_of_0_6_and_leaves_nothing_of_them(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    aws = account.aws(alarm_email=None, budget_dollars=None, github_repository=None)
    serving, _ = both(aws)
    apply(plan(as_of_0_6(serving)), quietly)
    old = [f"{P}-batch", f"{P}-train"]
    assert (old, [P, *old]) == jobs_of(aws)

    assert 2 == main(infra.build, ["plan", "--detailed-exitcode"])
    shown = capsys.readouterr().out
    assert {f"  - {kind} {name}" for name in old for kind in ("schedule", "task definition")} == {
        line for line in shown.splitlines() if line.startswith("  - ")
    }
    assert f"  + schedule {P}-weekly\n" in shown
    assert 0 == main(infra.build, ["status"])
    assert f"  retired         schedule {P}-train\n" in capsys.readouterr().out

    assert 0 == main(infra.build, ["apply", "--yes"])
    assert f"deleted schedule {P}-train (" in capsys.readouterr().err
    new = [f"{P}-check", f"{P}-weekly"]
    assert (new, [P, *new]) == jobs_of(aws)
    assert 0 == main(infra.build, ["plan", "--detailed-exitcode"])


def test_a_stack_of_0_6_is_destroyed_whole(account: Account) -> None:
    aws = account.aws()
    serving, tracking = both(aws)
    apply(plan(as_of_0_6(serving)), quietly)
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    assert ([], []) == jobs_of(aws)


def test_an_upgrade_that_was_killed_is_gone_on_with(account: Account) -> None:
    session = account.session()
    killer = Killer(session)
    old = as_of_0_6(both(account.aws())[0])
    retired = Stack("retired", (), (), retired=both(account.aws(session))[0].retired)
    # Two schedules and two families, each of which is first retired by AWS and then deleted.
    for number, when in ((0, "after"), (2, "before"), (4, "after")):
        apply(plan(old), quietly)
        killer.aim(number, when, writes_only=True)
        with pytest.raises(Killed):
            apply(plan_stack(retired), quietly)
        killer.rest()
        apply(plan_stack(retired), quietly)
        assert [] == plan_stack(retired), (number, when)
    assert ([], [P]) == jobs_of(account.aws())


def test_the_pipeline_leaves_what_is_retired_to_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    old = Thing(AWS, "old", cloud)
    apply(plan([old]), quietly)
    monkeypatch.setattr(Aws, "is_pipeline", True)
    changes = plan_stack(Stack("house", (), (), retired=(old,)))
    assert [Action.LEAVE] == [change.action for change in changes]
    apply(changes, quietly)
    assert {"old"} == set(cloud.there)


def test_what_is_retired_goes_last_and_only_if_it_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Aws, "is_pipeline", False)
    cloud = Cloud()
    attic, cellar = Thing(AWS, "attic", cloud), Thing(AWS, "cellar", cloud)
    shed = Thing(AWS, "shed", cloud, on=(cellar,))
    apply(plan([attic, cellar, shed]), quietly)
    cloud.there["attic"]["tags"] = {}
    cloud.written.clear()
    house = Stack("house", (), (Thing(AWS, "roof", cloud),), retired=(attic, shed, cellar))
    apply(plan_stack(house), quietly)
    assert ["make roof", "set size of roof", "delete shed", "delete cellar"] == cloud.written
    assert {"attic", "roof"} == set(cloud.there)
    assert {"attic": Action.KEEP, "roof": Action.DELETE} == {
        change.resource.name: change.action
        for change in plan_destroy(house, NOBODY, include_data=False)
    }
