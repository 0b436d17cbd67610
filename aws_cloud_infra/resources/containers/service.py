"""The service that keeps tasks running, behind the load balancer.

Takes a task definition and where it may run. A deployment whose tasks do not get healthy is
rolled back by ECS, and `apply` then fails: it never says that something runs which does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import WaiterError

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.account.errors import AwsRefused, StillDeleting
from aws_cloud_infra.account.prices import HOURS
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings, Within
from aws_cloud_infra.resources.containers import deployment
from aws_cloud_infra.resources.containers.cluster import Cluster
from aws_cloud_infra.resources.containers.ecs import LINKED_ROLE, TAGS
from aws_cloud_infra.resources.containers.image import Image, is_pushed
from aws_cloud_infra.resources.containers.task_definition import CONTAINER, TaskDefinition, billed
from aws_cloud_infra.resources.front.listener import Listener
from aws_cloud_infra.resources.front.target_group import TargetGroup

_DEPLOYED = {"Delay": 5, "MaxAttempts": 240}
"""Twenty minutes: ECS itself tries some ten before it gives a deployment up."""
_DRAINED = {"Delay": 5, "MaxAttempts": 120}


@dataclass(frozen=True, eq=False)
class Service(Resource):
    """Keeps as many tasks of the newest revision healthy as autoscaling says; none without image.

    Its tasks have public addresses, as their subnets have no other way out; the security group
    lets nobody in but the load balancer.
    """

    cluster: Cluster
    task: TaskDefinition
    target: TargetGroup
    listeners: tuple[Listener, ...]
    """ECS refuses a target group that no listener uses."""
    routes: tuple[Resource, ...]
    """Without a way out, tasks cannot fetch their image."""
    subnets: tuple[Resource, ...]
    group: Resource
    image: Image
    min_tasks: int
    max_tasks: int
    port: int
    alarms: tuple[Resource, ...] = ()
    """Those during which no deployment goes on: it is rolled back."""

    kind = "ECS service"
    fixed = frozenset({"launchType"})
    permissions = (
        Permission(
            ("ecs:DescribeServices", "ecs:CreateService", "ecs:UpdateService",
             "ecs:DeleteService"),
            ("arn:{partition}:ecs:{region}:{account}:service/{prefix}/{name}",),
        ),
        TAGS,
        LINKED_ROLE,
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """As many tasks as always run."""
        return billed(self.task, HOURS * self.min_tasks)

    def desired(self, ids: Ids) -> Settings:
        """What the call takes, under its own names, but for the number of tasks."""
        pushed = is_pushed(ids[self.image])
        return {
            "tasks": Within(self.min_tasks, self.max_tasks) if pushed else Within(0, 0),
            "taskDefinition": ids[self.task],
            **self._always(),
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": sorted(ids[subnet] for subnet in self.subnets),
                    "securityGroups": [ids[self.group]],
                    "assignPublicIp": "ENABLED",
                }
            },
            "loadBalancers": [
                {
                    "targetGroupArn": ids[self.target],
                    "containerName": CONTAINER,
                    "containerPort": self.port,
                }
            ],
        }

    def _always(self) -> Settings:
        """Return what needs no ids."""
        return {
            "launchType": "FARGATE",
            "platformVersion": "LATEST",
            "propagateTags": "SERVICE",
            "enableExecuteCommand": False,
            "healthCheckGracePeriodSeconds": 60,
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
                "alarms": {
                    "alarmNames": sorted(alarm.name for alarm in self.alarms),
                    "enable": bool(self.alarms),
                    "rollback": bool(self.alarms),
                },
            },
        }

    def find(self) -> Live | None:
        """Find it by its cluster's name and its own.

        `state` is among the settings while it is deleted, while it deploys and after it failed to.
        """
        found = self._found()
        if found is None or found["status"] == "INACTIVE":
            return None
        network = found.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        settings = {
            "tasks": found["desiredCount"],
            "taskDefinition": found["taskDefinition"],
            # The emulator leaves out some of these until they are changed for the first time.
            **_like(self._always(), found),
            "launchType": found.get("launchType"),
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": sorted(network.get("subnets", ())),
                    "securityGroups": sorted(network.get("securityGroups", ())),
                    "assignPublicIp": network.get("assignPublicIp", "DISABLED"),
                }
            },
            "loadBalancers": found.get("loadBalancers", []),
        }
        state = found["status"] if found["status"] != "ACTIVE" else deployment.rollout(found)
        if state:
            settings["state"] = state
        tags = from_tags(found.get("tags"), "key", "value")
        return Live(found["serviceArn"], settings, tags, deployment.notes(found))

    def _found(self) -> dict[str, Any] | None:
        answer = read(
            self.aws.client("ecs").describe_services,
            cluster=self.cluster.name,
            services=[self.name],
            include=["TAGS"],
        )
        return answer["services"][0] if answer and answer["services"] else None

    def create(self, desired: Settings) -> None:
        """Make it and wait until its tasks are healthy."""
        self.aws.client("ecs").create_service(
            cluster=self.cluster.name,
            serviceName=self.name,
            tags=as_tags(self.aws.tags, "key", "value"),
            **_arguments(desired, desired.keys(), 0),
        )
        self._await_tasks(desired)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write what changed, try again what failed, and wait until the tasks are healthy."""
        state = live.settings.get("state")
        if state == "DRAINING":
            raise StillDeleting(
                f"{self} is still being deleted: its last tasks finish what they do. "
                "Run it again in some minutes."
            )
        arguments = _arguments(desired, changed - {"state"}, live.settings["tasks"])
        if state == "FAILED":
            arguments["forceNewDeployment"] = True
        if arguments:
            self.aws.client("ecs").update_service(
                cluster=self.cluster.name, service=self.name, **arguments
            )
        self._await_tasks(desired)

    def _await_tasks(self, desired: Settings) -> None:
        """Wait until as many tasks run as are wanted. Raises AwsRefused if they are not ours."""
        if not desired["tasks"].low:
            return
        try:
            self._wait("services_stable", _DEPLOYED)
        except WaiterError as error:
            raise AwsRefused(
                f"{self}: its tasks did not get healthy. {self._said()} Look at the log group, "
                "correct it, and run it again."
            ) from error
        running = deployment.settled(lambda: self._found() or {}).get("taskDefinition", "nothing")
        if running != desired["taskDefinition"]:
            raise AwsRefused(
                f"{self}: the tasks of {_short(desired['taskDefinition'])} did not get healthy, so "
                f"ECS rolled back to {_short(running)}. {self._said()} Look at the log group, "
                "correct it, and run it again."
            )

    def _said(self) -> str:
        return deployment.said(self._found() or {})

    def _wait(self, waiter: str, config: Mapping[str, int]) -> None:
        self.aws.wait(
            "ecs", waiter, cluster=self.cluster.name, services=[self.name], WaiterConfig=config
        )

    def delete(self, live: Live) -> None:
        """Delete it with the tasks that it runs, and wait until they are gone."""
        ecs = self.aws.client("ecs")
        names = {"cluster": self.cluster.name, "service": self.name}
        if live.settings.get("state") != "DRAINING":
            remove(ecs.delete_service, **names, force=True)
        if self._found() is None:
            return
        self._wait("services_inactive", _DRAINED)


def _like(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Settings:
    """Return of what was found just what is wanted, and the wanted where nothing is told."""
    return {
        name: _like(value, found.get(name) or {})
        if isinstance(value, Mapping)
        else found.get(name, value)
        for name, value in wanted.items()
    }


def _arguments(desired: Settings, names: Any, tasks: int) -> dict[str, Any]:
    """Return settings as the call wants them; as few tasks more or less as need be."""
    arguments = {name: desired[name] for name in names}
    if "tasks" in arguments:
        wanted = arguments.pop("tasks")
        arguments["desiredCount"] = min(max(tasks, wanted.low), wanted.high)
    return arguments


def _short(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
