"""Task definitions on an emulated account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import trust
from aws_cloud_infra.account.errors import AwsRefused, NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.resources.containers.task_definition import TaskDefinition
from aws_cloud_infra.resources.identity.role import Role
from tests.aws.account import Account, answer_with, record
from tests.aws.lifecycle import Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Given, die_after_each_write

FAMILY = "sales-forecast-production"
IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/forecasts@sha256:{'a' * 64}"
REFERENCE = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database-AbCdEf"
PLAIN = "mysql://user:opensesame@host/db"


def task(**settings: Any) -> Callable[[Aws], list[Resource]]:
    def build(aws: Aws) -> list[Resource]:
        image = Given(aws, "image", IMAGE)
        logs = Given(aws, "/forecasts/service", "arn")
        database = Given(aws, "database", REFERENCE)
        execution, own = (
            Role(aws, f"{aws.prefix}-{name}", name, trust("ecs-tasks.amazonaws.com"), ())
            for name in ("execution", "task")
        )
        chosen = {
            "secrets": {"DATABASE_URL": database},
            "environment": {"PORT": "8000"},
            "command": ("python", "main.py"),
            "cpu": 256,
            "memory": 512,
            "port": 8000,
            "health_check": ("CMD", "true"),
            **settings,
        }
        return [image, logs, database, TaskDefinition(
            aws, aws.prefix, image, execution, own, logs, **chosen)]  # fmt: skip

    return build


def newest(aws: Aws) -> dict[str, Any]:
    """Return the newest revision as a call would take it again."""
    found = aws.client("ecs").describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
    told = {
        "compatibilities", "deregisteredAt", "registeredAt", "registeredBy",
        "requiresAttributes", "revision", "status", "taskDefinitionArn",
    }  # fmt: skip
    return {key: value for key, value in found.items() if key not in told}


def registered(**settings: Any):
    """Register a revision by hand, which rarely has tags, with other settings."""
    return lambda aws, _: aws.client("ecs").register_task_definition(**{**newest(aws), **settings})


def containing(**settings: Any):
    """Register a revision by hand whose container has other settings; None takes one away."""

    def change(aws: Aws, _live: Live) -> None:
        definition = newest(aws)
        container = {**definition["containerDefinitions"][0], **settings}
        kept = {key: value for key, value in container.items() if value is not None}
        definition["containerDefinitions"][0] = kept
        aws.client("ecs").register_task_definition(**definition)

    return change


def adding(key: str, item: dict[str, Any]):
    """Register a revision by hand whose container has one thing more in a list."""

    def change(aws: Aws, live: Live) -> None:
        items = newest(aws)["containerDefinitions"][0].get(key, [])
        containing(**{key: [*items, item]})(aws, live)

    return change


def _side_car(aws: Aws, _live: Live) -> None:
    definition = newest(aws)
    definition["containerDefinitions"].append({"name": "other", "image": "other", "memory": 64})
    aws.client("ecs").register_task_definition(**definition)


APP = "containers.app"
CONTAINER = {
    "image": containing(image="evil:latest"),
    "essential": containing(essential=False),
    "memory": containing(memory=128),
    "user": containing(user="root"),
    "stopTimeout": containing(stopTimeout=2),
    "readonlyRootFilesystem": containing(readonlyRootFilesystem=None),
    "linuxParameters": containing(linuxParameters=None),
    "linuxParameters.capabilities": containing(
        linuxParameters={"initProcessEnabled": True, "capabilities": {"add": ["SYS_PTRACE"]}}
    ),
    "mountPoints": containing(mountPoints=[]),
    "logConfiguration": containing(logConfiguration=None),
    "command": containing(command=["sleep", "infinity"]),
    "entryPoint": containing(entryPoint=["sh"]),
    "environment.PORT": containing(environment=[{"name": "PORT", "value": "9"}]),
    "environment.DEBUG": adding("environment", {"name": "DEBUG", "value": "1"}),
    "environment.EMPTY": adding("environment", {"name": "EMPTY", "value": ""}),
    "environment.DATABASE_URL": adding("environment", {"name": "DATABASE_URL", "value": PLAIN}),
    "secrets.DATABASE_URL": containing(secrets=[]),
    "secrets.OTHER": adding("secrets", {"name": "OTHER", "valueFrom": REFERENCE}),
    "portMappings": adding("portMappings", {"containerPort": 22}),
    "healthCheck": containing(healthCheck=None),
    "healthCheck.command": containing(healthCheck={"command": ["CMD", "false"]}),
    "privileged": containing(privileged=True),
    "versionConsistency": containing(versionConsistency="disabled"),
}
DRIFTS = [
    Drift(TaskDefinition, "status", lambda aws, live: aws.client("ecs").deregister_task_definition(
        taskDefinition=live.id)),
    Drift(TaskDefinition, "cpu", registered(cpu="4096")),
    Drift(TaskDefinition, "memory", registered(memory="8192")),
    Drift(TaskDefinition, "networkMode", registered(
        networkMode="host", requiresCompatibilities=["EC2"])),
    Drift(TaskDefinition, "requiresCompatibilities", registered(requiresCompatibilities=["EC2"])),
    Drift(TaskDefinition, "runtimePlatform", registered(runtimePlatform={
        "operatingSystemFamily": "LINUX", "cpuArchitecture": "ARM64"})),
    Drift(TaskDefinition, "executionRoleArn", registered(executionRoleArn="arn:aws:iam::1:role/a")),
    Drift(TaskDefinition, "taskRoleArn", registered(taskRoleArn="arn:aws:iam::1:role/admin")),
    Drift(TaskDefinition, "volumes", registered(volumes=[{"name": "tmp"}, {"name": "var"},
                                                         {"name": "host", "host": {}}])),
    Drift(TaskDefinition, "pidMode", registered(pidMode="task")),
    Drift(TaskDefinition, "ephemeralStorage", registered(ephemeralStorage={"sizeInGiB": 200})),
    Drift(TaskDefinition, "containers.other", _side_car),
    *(Drift(TaskDefinition, f"{APP}.{name}", change) for name, change in CONTAINER.items()),
]  # fmt: skip


def revisions(account: Account, status: str = "ACTIVE") -> list[str]:
    ecs = account.session().client("ecs")
    arns = ecs.list_task_definitions(status=status)["taskDefinitionArns"]
    return [arn.rsplit("/", 1)[1] for arn in arns]


def test_a_task_definition_is_made_healed_and_removed(account: Account) -> None:
    check_life(account, task(), DRIFTS)
    assert [] == revisions(account)
    assert [] == revisions(account, "INACTIVE")


def test_a_job_has_neither_port_nor_health_check_nor_command(account: Account) -> None:
    build = task(port=None, health_check=(), command=(), environment={}, secrets={})
    *_, job = build(account.aws())
    apply(plan([job]), quietly)
    assert {} == what_changes(plan([job]))
    (container,) = newest(account.aws())["containerDefinitions"]
    assert not {"command", "healthCheck", "secrets"} & container.keys()
    assert [] == container["portMappings"] == container["environment"]


def test_what_aws_fills_in_by_itself_is_no_drift(account: Account) -> None:
    session = account.session()

    def fill_in(parsed: dict[str, Any], **_: Any) -> None:
        definition = parsed["taskDefinition"]
        definition |= {"enableFaultInjection": False, "placementConstraints": []}
        for volume in definition["volumes"]:
            volume["host"] = {}
        (container,) = definition["containerDefinitions"]
        container |= {"cpu": 0, "volumesFrom": [], "systemControls": [], "privileged": False,
                      "versionConsistency": "enabled"}  # fmt: skip
        container["linuxParameters"] |= {"devices": [], "tmpfs": []}
        container["logConfiguration"]["secretOptions"] = []
        for mount in container["mountPoints"]:
            mount["readOnly"] = False
        container["mountPoints"].reverse()

    session.events.register("after-call.ecs.DescribeTaskDefinition", fill_in)
    apply(plan(task()(account.aws())), quietly)
    assert {} == what_changes(plan(task()(account.aws(session))))


def test_every_change_is_a_new_revision_with_a_new_id_and_our_tags(account: Account) -> None:
    aws = account.aws()
    first = apply(plan(task()(aws)), quietly)
    changes = plan(task(cpu=512, memory=1024)(aws))
    assert {f"task definition {FAMILY}": ["containers.app.memory", "cpu", "memory"]} == (
        what_changes(changes)
    )
    second = apply(changes, quietly)
    ids = [live.id for lives in (first, second) for live in lives.values() if "/" in live.id]
    assert [f"{FAMILY}:1", f"{FAMILY}:2"] == [
        arn.rsplit("/", 1)[1] for arn in ids if "task-definition" in arn
    ]
    told = aws.client("ecs").describe_task_definition(taskDefinition=FAMILY, include=["TAGS"])
    assert aws.tags == {tag["key"]: tag["value"] for tag in told["tags"]}


def test_a_password_that_somebody_put_into_the_environment_is_not_shown(account: Account) -> None:
    resources = task()(account.aws())
    apply(plan(resources), quietly)
    adding("environment", {"name": "DATABASE_URL", "value": PLAIN})(account.aws(), None)
    (change,) = [item for item in plan(resources) if item.action is Action.UPDATE]
    assert [("containers.app.environment.DATABASE_URL", "(set by somebody else)", None)] == [
        (item.setting, item.old, item.new) for item in change.differences
    ]
    assert PLAIN not in str(change)


def test_a_family_of_somebody_else_is_refused(account: Account) -> None:
    ecs = account.session().client("ecs")
    ecs.register_task_definition(
        family=FAMILY, containerDefinitions=[{"name": "app", "image": "theirs", "memory": 64}]
    )
    with pytest.raises(NotOurs):
        apply(plan(task()(account.aws())), quietly)


def test_a_retired_family_of_somebody_else_is_no_hindrance(account: Account) -> None:
    ecs = account.session().client("ecs")
    ecs.register_task_definition(
        family=FAMILY, containerDefinitions=[{"name": "app", "image": "theirs", "memory": 64}]
    )
    ecs.deregister_task_definition(taskDefinition=f"{FAMILY}:1")
    resources = task()(account.aws())
    apply(plan(resources), quietly)
    assert {} == what_changes(plan(resources))


def test_all_revisions_go_ten_at_a_time_and_no_other_family(account: Account) -> None:
    aws = account.aws()
    *_, definition = task()(aws)
    apply(plan([definition]), quietly)
    for number in range(11):
        registered(cpu=str(number))(aws, None)
    aws.client("ecs").deregister_task_definition(taskDefinition=f"{FAMILY}:3")
    registered(family=f"{FAMILY}-train")(aws, None)
    live = definition.find()
    assert live is not None
    session = account.session()
    calls = record(session)
    *_, again = task()(account.aws(session))
    again.delete(live)
    assert [f"{FAMILY}-train:1"] == revisions(account)
    assert [] == revisions(account, "INACTIVE")
    assert 3 == calls.writes.count(("ecs", "DeleteTaskDefinitions"))
    assert definition.find() is None
    again.delete(live)


def test_a_revision_that_aws_does_not_delete_is_told(account: Account) -> None:
    session = account.session()

    def refuse(parsed: dict[str, Any], **_: Any) -> None:
        parsed["failures"] = [{"arn": f"{FAMILY}:1", "reason": "it is in use"}]

    session.events.register("after-call.ecs.DeleteTaskDefinitions", refuse)
    *_, definition = task()(account.aws(session))
    lives = apply(plan([definition]), quietly)
    with pytest.raises(AwsRefused, match=f"{FAMILY}:1: it is in use"):
        definition.delete(lives[definition])


def test_a_deletion_that_died_halfway_is_finished_by_the_next(account: Account) -> None:
    aws = account.aws()
    *_, definition = task()(aws)
    apply(plan([definition]), quietly)
    live = definition.find()
    assert live is not None
    aws.client("ecs").deregister_task_definition(taskDefinition=live.id)
    retired = definition.find()
    assert retired is not None
    assert "INACTIVE" == retired.settings["status"]
    definition.delete(retired)
    assert [] == revisions(account, "INACTIVE")


def test_killed_after_its_registration_it_registers_no_second_one(account: Account) -> None:
    assert 1 == die_after_each_write(account, task())
    assert [f"{FAMILY}:1"] == revisions(account)


def test_other_refusals_of_aws_are_not_taken_for_an_empty_account(account: Account) -> None:
    session = account.session()
    answer_with(session, "ecs.DescribeTaskDefinition", "ServerException", "down", 400)
    *_, definition = task()(account.aws(session))
    with pytest.raises(ClientError, match="down"):
        definition.find()
