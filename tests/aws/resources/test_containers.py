"""The cluster and the service on an emulated account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AwsRefused, NotOurs, StillDeleting
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.containers import deployment
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.containers.service import Service
from tests.aws.account import Account, _refusal, record
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import Given, Ground, die_after_each_write, ground

NAME = "sales-forecast-production"
SERVICE = f"ECS service {NAME}"
NONE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/forecasts:none"
PUSHED = NONE.replace(":none", f"@sha256:{'a' * 64}")
TARGETS = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/forecasts/1"
TASK = "arn:aws:ecs:eu-central-1:123456789012:task-definition/forecasts:"


@dataclass(frozen=True, eq=False)
class Sized(Given):
    cpu: int = 512
    memory: int = 1024


def serving(base: Ground, image: str = NONE, revision: int = 1) -> Callable[[Aws], list[Resource]]:
    def build(aws: Aws) -> list[Resource]:
        cluster = Cluster(aws, aws.prefix)
        task = Sized(aws, "task", f"{TASK}{revision}")
        targets = Given(aws, "targets", TARGETS)
        listener = Given(aws, "listener", "arn")
        pushed = Given(aws, "image", image)
        errors = Given(aws, "errors", "arn")
        service = Service(
            aws, aws.prefix, cluster, task, targets, (listener,), (base.routes,), base.subnets,
            base.group, pushed, 1, 4, 8000, alarms=(errors,),
        )  # fmt: skip
        return [*base.all, task, targets, listener, pushed, errors, cluster, service]

    return build


Tell = Callable[[dict[str, Any]], None]


def deployed(service: dict[str, Any]) -> None:
    """Let as many tasks run as are wanted; the emulator starts none and forgets deployments."""
    service["runningCount"] = service["desiredCount"]
    (deployment,) = service["deployments"]
    deployment["taskDefinition"] = service["taskDefinition"]
    deployment["rolloutState"] = "COMPLETED"


def tell(session: boto3.Session, change: Tell) -> None:
    """Let AWS tell something else about each service."""

    def described(parsed: dict[str, Any], **_: Any) -> None:
        for service in parsed.get("services", ()):
            change(service)

    session.events.register("after-call.ecs.DescribeServices", described)


class Deploying(Account):
    """An account in which services start their tasks."""

    def session(self, region: str = "eu-central-1", *changes: Tell) -> boto3.Session:
        session = super().session(region)
        for change in (deployed, *changes):
            tell(session, change)
        return session

    def telling(self, *changes: Tell) -> boto3.Session:
        return self.session("eu-central-1", *changes)


@pytest.fixture
def deploying(account: Account) -> Deploying:
    return Deploying(account.url)


@pytest.fixture
def base(account: Account) -> Ground:
    """The network, and two revisions of a task definition."""
    ecs = account.session().client("ecs")
    for _ in range(2):
        ecs.register_task_definition(
            family="forecasts",
            requiresCompatibilities=["FARGATE"],
            containerDefinitions=[{"name": "app", "image": "forecasts", "memory": 512}],
        )
    return ground(account.aws())


def update(**settings: Any):
    return lambda aws, _: aws.client("ecs").update_service(
        cluster=NAME, service=NAME, **settings
    )  # fmt: skip


def network(**settings: Any):
    """Change where the tasks run, to what `settings` make of what there is."""

    def change(aws: Aws, live: Live) -> None:
        config = live.settings["networkConfiguration"]["awsvpcConfiguration"]
        changed = {name: of(aws, config) for name, of in settings.items()}
        update(networkConfiguration={"awsvpcConfiguration": {**config, **changed}})(aws, live)

    return change


def _other_group(aws: Aws, config: dict[str, Any]) -> list[str]:
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    return [item["GroupId"] for item in groups if item["GroupId"] not in config["securityGroups"]]


def _tasks_that(**settings: Any):
    return update(
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
            **settings,
        }
    )


CONFIGURATION = "deploymentConfiguration"
VPC = "networkConfiguration.awsvpcConfiguration"
DRIFTS = [
    Drift(Cluster, "container_insights", lambda aws, _: aws.client("ecs").update_cluster(
        cluster=NAME, settings=[{"name": "containerInsights", "value": "enhanced"}])),
    Drift(Service, "tasks", update(desiredCount=9)),
    Drift(Service, "taskDefinition", update(taskDefinition=f"{TASK}2")),
    Drift(Service, "platformVersion", update(platformVersion="1.3.0")),
    Drift(Service, "propagateTags", update(propagateTags="NONE")),
    Drift(Service, "enableExecuteCommand", update(enableExecuteCommand=True)),
    Drift(Service, "healthCheckGracePeriodSeconds", update(healthCheckGracePeriodSeconds=9999)),
    Drift(Service, f"{CONFIGURATION}.deploymentCircuitBreaker.enable",
          _tasks_that(deploymentCircuitBreaker={"enable": False, "rollback": True})),
    Drift(Service, f"{CONFIGURATION}.deploymentCircuitBreaker.rollback",
          _tasks_that(deploymentCircuitBreaker={"enable": True, "rollback": False})),
    Drift(Service, f"{CONFIGURATION}.minimumHealthyPercent", _tasks_that(minimumHealthyPercent=0)),
    Drift(Service, f"{CONFIGURATION}.maximumPercent", _tasks_that(maximumPercent=100)),
    Drift(Service, f"{CONFIGURATION}.alarms", _tasks_that(
        alarms={"alarmNames": ["errors"], "enable": False, "rollback": True})),
    Drift(Service, f"{CONFIGURATION}.alarms", _tasks_that(
        alarms={"alarmNames": ["errors"], "enable": True, "rollback": False})),
    Drift(Service, f"{CONFIGURATION}.alarms", _tasks_that(
        alarms={"alarmNames": ["else"], "enable": True, "rollback": True})),
    Drift(Service, f"{VPC}.assignPublicIp", network(assignPublicIp=lambda *_: "DISABLED")),
    Drift(Service, f"{VPC}.subnets", network(subnets=lambda _, config: config["subnets"][:1])),
    Drift(Service, f"{VPC}.securityGroups", network(securityGroups=_other_group)),
    Drift(Service, "loadBalancers", update(loadBalancers=[])),
]  # fmt: skip


def test_without_an_image_the_service_is_made_healed_and_removed(
    account: Account, base: Ground
) -> None:
    check_life(account, serving(base), DRIFTS)


def test_with_an_image_it_is_made_healed_and_removed_while_tasks_run(
    deploying: Deploying, base: Ground
) -> None:
    check_life(deploying, serving(base, PUSHED), [*DRIFTS, Drift(
        Service, "tasks", update(desiredCount=0))])  # fmt: skip


def counts(account: Account) -> list[int]:
    found = account.session().client("ecs").describe_services(cluster=NAME, services=[NAME])
    return [service["desiredCount"] for service in found["services"]]


def test_the_first_image_starts_the_tasks(deploying: Deploying, base: Ground) -> None:
    apply(plan(serving(base)(deploying.aws())), quietly)
    assert [0] == counts(deploying)
    changes = plan(serving(base, PUSHED)(deploying.aws()))
    assert {SERVICE: ["tasks"]} == what_changes(changes)
    apply(changes, quietly)
    assert [1] == counts(deploying)


@pytest.mark.parametrize(("by_hand", "after"), [(0, 1), (1, 1), (3, 3), (4, 4), (7, 4)])
def test_autoscaling_moves_the_number_of_tasks_within_its_bounds(
    deploying: Deploying, base: Ground, by_hand: int, after: int
) -> None:
    resources = serving(base, PUSHED)(deploying.aws())
    apply(plan(resources), quietly)
    update(desiredCount=by_hand)(deploying.aws(), None)
    assert (by_hand != after) == bool(what_changes(plan(resources)))
    apply(plan(resources), quietly)
    assert [after] == counts(deploying)


def test_a_changed_task_definition_leaves_the_number_of_tasks_alone(
    deploying: Deploying, base: Ground
) -> None:
    apply(plan(serving(base, PUSHED)(deploying.aws())), quietly)
    update(desiredCount=3)(deploying.aws(), None)
    apply(plan(serving(base, PUSHED, revision=2)(deploying.aws())), quietly)
    assert [3] == counts(deploying)


def test_a_deployment_that_was_rolled_back_fails_and_says_why(
    deploying: Deploying, base: Ground
) -> None:
    apply(plan(serving(base, PUSHED)(deploying.aws())), quietly)

    def rolled_back(service: dict[str, Any]) -> None:
        service["deployments"][0]["taskDefinition"] = f"{TASK}1"
        service["events"] = [
            {"id": str(number), "message": f"(service {NAME}) {text}."}
            for number, text in enumerate(("rolled back", "task failed to start", "b", "c"))
        ]

    session = deploying.telling(rolled_back)
    changes = plan(serving(base, PUSHED, revision=2)(deploying.aws(session)))
    with pytest.raises(AwsRefused) as caught:
        apply(changes, quietly)
    said = str(caught.value)
    assert "the tasks of forecasts:2 did not get healthy, so ECS rolled back to forecasts:1" in said
    assert f"(service {NAME}) rolled back. (service {NAME}) task failed to start." in said
    assert "c." not in said


def test_tasks_that_never_get_healthy_fail_and_say_why(deploying: Deploying, base: Ground) -> None:
    apply(plan(serving(base)(deploying.aws())), quietly)
    asked = 0

    def taken_away(service: dict[str, Any]) -> None:
        """Let the service be on its way out while it is waited for: the waiter gives up then."""
        nonlocal asked
        asked += 1
        service["status"] = "DRAINING" if asked > 1 else "ACTIVE"
        service["deployments"][0]["rolloutStateReason"] = "tasks failed to start"

    session = deploying.telling(taken_away)
    with pytest.raises(AwsRefused, match=r"did not get healthy\. .*tasks failed to start"):
        apply(plan(serving(base, PUSHED)(deploying.aws(session))), quietly)


def rollout(state: str) -> Tell:
    def change(service: dict[str, Any]) -> None:
        service["deployments"][0] |= {"rolloutState": state, "rolloutStateReason": "tasks failed."}

    return change


def test_a_failed_deployment_is_told_and_tried_again(deploying: Deploying, base: Ground) -> None:
    apply(plan(serving(base, PUSHED)(deploying.aws())), quietly)
    session = deploying.telling(rollout("FAILED"))
    forced = []
    session.events.register(
        "provide-client-params.ecs.UpdateService", lambda params, **_: forced.append(params)
    )
    resources = serving(base, PUSHED)(deploying.aws(session))
    changes = plan(resources)
    assert {SERVICE: ["state"]} == what_changes(changes)
    live = changes[-1].live
    assert live is not None
    assert ("runs 1 of 1 tasks", "a deployment failed: tasks failed.") == live.notes
    apply(changes, quietly)
    assert [{"cluster": NAME, "service": NAME, "forceNewDeployment": True}] == forced


def for_a_while(looks: int, then: Tell) -> Tell:
    """Let a deployment be under way for a number of looks: its alarms are watched."""
    asked = 0

    def change(service: dict[str, Any]) -> None:
        nonlocal asked
        asked += 1
        (rollout("IN_PROGRESS") if asked <= looks else then)(service)

    return change


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "_SECONDS_BETWEEN_LOOKS", 0.0)


@pytest.mark.usefixtures("_at_once")
def test_a_deployment_under_way_is_only_waited_for(deploying: Deploying, base: Ground) -> None:
    apply(plan(serving(base, PUSHED)(deploying.aws())), quietly)
    session = deploying.telling(for_a_while(4, rollout("COMPLETED")))
    calls = record(session)
    resources = serving(base, PUSHED)(deploying.aws(session))
    changes = plan(resources)
    assert {SERVICE: ["state"]} == what_changes(changes)
    apply(changes, quietly)
    assert [] == calls.writes
    assert {} == what_changes(plan(resources))


@pytest.mark.usefixtures("_at_once")
def test_a_deployment_that_an_alarm_turns_back_after_its_tasks_were_healthy_fails(
    deploying: Deploying, base: Ground
) -> None:
    apply(plan(serving(base, PUSHED)(deploying.aws())), quietly)

    def turned_back(service: dict[str, Any]) -> None:
        service["deployments"][0] |= {
            "taskDefinition": f"{TASK}1", "rolloutStateReason": "alarm errors is in ALARM."
        }  # fmt: skip

    session = deploying.telling(for_a_while(4, turned_back))
    with pytest.raises(AwsRefused, match=r"rolled back to forecasts:1\. .* alarm errors is in"):
        apply(plan(serving(base, PUSHED, revision=2)(deploying.aws(session))), quietly)


def test_a_service_that_is_being_deleted_cannot_be_made_again_yet(
    deploying: Deploying, base: Ground
) -> None:
    apply(plan(serving(base)(deploying.aws())), quietly)
    session = deploying.telling(lambda service: service.update(status="DRAINING"))
    calls = record(session)
    with pytest.raises(StillDeleting, match="Run it again in some minutes"):
        apply(plan(serving(base)(deploying.aws(session))), quietly)
    assert [] == calls.writes


def test_a_deletion_that_died_halfway_is_waited_for_by_the_next(
    deploying: Deploying, base: Ground
) -> None:
    apply(plan(serving(base)(deploying.aws())), quietly)
    deploying.aws().client("ecs").delete_service(cluster=NAME, service=NAME, force=True)
    asked = 0

    def draining(service: dict[str, Any]) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            service["status"] = "DRAINING"

    session = deploying.telling(draining)
    calls = record(session)
    *_, cluster, service = serving(base)(deploying.aws(session))
    destroy(
        plan_destroy(Stack("this", (), (cluster, service)), NOBODY, include_data=False), quietly
    )
    assert [("ecs", "DeleteCluster")] == calls.writes
    assert service.find() is None


def test_deleted_ones_that_aws_remembers_are_not_there(account: Account, base: Ground) -> None:
    resources = serving(base)(account.aws())
    apply(plan(resources), quietly)
    ecs = account.session().client("ecs")
    ecs.delete_service(cluster=NAME, service=NAME, force=True)
    ecs.delete_cluster(cluster=NAME)
    assert {f"ECS cluster {NAME}", SERVICE} == set(what_changes(plan(resources)))
    apply(plan(resources), quietly)
    assert {} == what_changes(plan(resources))


def test_a_service_of_somebody_else_is_refused(account: Account, base: Ground) -> None:
    ecs = account.session().client("ecs")
    ecs.create_cluster(clusterName=NAME)
    ecs.create_service(cluster=NAME, serviceName=NAME, taskDefinition=f"{TASK}1", desiredCount=0)
    with pytest.raises(NotOurs, match=f"(?s)ECS cluster.*{SERVICE}"):
        apply(plan(serving(base)(account.aws())), quietly)


def test_deleting_what_is_gone_is_done(account: Account, base: Ground) -> None:
    *_, cluster, service = resources = serving(base)(account.aws())
    lives = apply(plan(resources), quietly)
    for _ in range(2):
        service.delete(lives[service])
        cluster.delete(lives[cluster])
    account.reset()
    service.delete(lives[service])
    cluster.delete(lives[cluster])


def test_killed_after_any_write_there_is_one_of_each(account: Account, base: Ground) -> None:
    assert 2 == die_after_each_write(account, serving(base))
    assert {} == what_changes(plan(serving(base)(account.aws())))
    ecs = account.session().client("ecs")
    assert 1 == len(ecs.list_clusters()["clusterArns"])
    assert 1 == len(ecs.list_services(cluster=NAME)["serviceArns"])


def test_in_a_new_account_ecs_gets_time_to_make_its_role(
    account: Account, base: Ground, hurried: None
) -> None:
    session = account.session()
    refused: list[str] = []

    def refuse(request: Any, event_name: str, **_: Any) -> Any:
        operation = event_name.rsplit(".", 1)[1]
        if operation in refused or not operation.startswith("Create"):
            return None
        refused.append(operation)
        text = "Unable to assume the service linked role. Please verify that it exists."
        return _refusal(request, "InvalidParameterException", text, 400)

    session.events.register("before-send.ecs.*", refuse)
    resources = serving(base)(account.aws(session))
    apply(plan(resources), quietly)
    assert ["CreateCluster", "CreateService"] == refused
    assert {} == what_changes(plan(resources))


def test_status_says_how_many_tasks_run(deploying: Deploying, base: Ground) -> None:
    *_, service = resources = serving(base)(deploying.aws())
    lives = apply(plan(resources), quietly)
    assert ("no tasks: none are wanted until an image is pushed",) == lives[service].notes
    update(desiredCount=2)(deploying.aws(), None)
    live = service.find()
    assert live is not None
    assert ("runs 2 of 2 tasks",) == live.notes


def test_it_costs_what_the_tasks_that_always_run_cost(account: Account, base: Ground) -> None:
    *_, service = serving(base)(account.aws())
    assert (
        ("fargate cpu hour", 365),
        ("fargate GB hour", 730),
        ("public address hour", 730),
    ) == service.prices


def test_the_arn_of_a_cluster_is_known_before_it_exists(account: Account) -> None:
    cluster = Cluster(account.aws(), NAME)
    lives = apply(plan([cluster]), quietly)
    assert cluster.arn == lives[cluster].id
