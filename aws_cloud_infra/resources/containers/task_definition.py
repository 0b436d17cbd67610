"""Task definitions: what ECS starts on Fargate. Takes an image, roles and secrets by reference.

Every change makes a new revision; the newest active one counts. Holds no secret, and shows none:
the value of an environment variable that is not ours may be one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.clients import as_tags, from_tags
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import TO_BE_OURS, Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.containers.ecs import TAGS
from aws_cloud_infra.resources.containers.task_settings import as_arguments, told
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.references import FromFact, resolve

CONTAINER = "app"
"""The one container of every task."""

USER = "10001:10001"
STOP_SECONDS = 30
"""What a task has from SIGTERM to its end; the service takes some ten to answer what is open."""
WRITABLE = {"tmp": "/tmp", "var": "/app/var"}  # noqa: S108 - the task's own, nobody shares it
"""Volumes and where they are mounted; the rest of the container cannot be written.

Fargate gives an empty volume the owner and rights that the image has there, if it declares it by
VOLUME; else it belongs to root.
"""


_AT_A_TIME = 10
_GONE = "does not exist"
_NO_SUCH = "Unable to describe task definition"


@dataclass(frozen=True, eq=False)
class TaskDefinition(Resource):
    """One container on Fargate: not root, nothing writable but two empty volumes."""

    image: Resource
    execution_role: Role
    task_role: Role
    log_group: Resource
    secrets: Mapping[str, Resource]
    """Environment variables, each with what holds its value; its id is the ARN to read."""
    environment: Mapping[str, str | FromFact]
    command: tuple[str, ...]
    cpu: int
    """In 1/1024 of a core."""
    memory: int
    """In MiB."""
    port: int | None = None
    health_check: tuple[str, ...] = ()

    kind = "task definition"
    renewed = True
    permissions = (
        # AWS knows nothing narrower for these calls than all task definitions.
        Permission(
            ("ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions",
             "ecs:DeregisterTaskDefinition")
        ),
        Permission(
            ("ecs:RegisterTaskDefinition",),
            condition=TO_BE_OURS,
        ),
        TAGS,
        Permission(
            ("ecs:DeleteTaskDefinitions",),
            ("arn:{partition}:ecs:{region}:{account}:task-definition/{name}:*",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
            {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """Everything that the call takes, with mappings where it wants lists of names."""
        return {
            "status": "ACTIVE",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"},
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "executionRoleArn": self.execution_role.arn,
            "taskRoleArn": self.task_role.arn,
            "volumes": [{"name": name} for name in sorted(WRITABLE)],
            "containers": {CONTAINER: self._container(ids)},
        }

    def _container(self, ids: Ids) -> Settings:
        port = {"containerPort": self.port, "hostPort": self.port, "protocol": "tcp"}
        health = {"interval": 15, "timeout": 5, "retries": 3, "startPeriod": 60}
        optional = {
            "command": list(self.command),
            "environment": resolve(self.environment, ids),
            "secrets": {name: ids[secret] for name, secret in self.secrets.items()},
            "portMappings": [port] if self.port else [],
            "healthCheck": {"command": list(self.health_check), **health}
            if self.health_check
            else {},
        }
        return {
            "image": ids[self.image],
            "essential": True,
            "memory": self.memory,
            "user": USER,
            "readonlyRootFilesystem": True,
            "stopTimeout": STOP_SECONDS,
            "linuxParameters": {"initProcessEnabled": True},
            "mountPoints": [
                {"sourceVolume": name, "containerPath": path}
                for name, path in sorted(WRITABLE.items())
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": self.log_group.name,
                    "awslogs-region": self.aws.region,
                    "awslogs-stream-prefix": self.name,
                },
            },
            **{name: value for name, value in optional.items() if value},
        }

    def find(self) -> Live | None:
        """Find the newest active revision of the family; if all are retired, the newest of them."""
        answer = self._describe(self.name)
        # AWS answers with an active one or none, the emulator with the newest in any state.
        if answer is None or answer["taskDefinition"]["status"] != "ACTIVE":
            retired = self._revisions("INACTIVE")
            answer = self._describe(retired[-1]) if retired else None
            if answer is None or not self.aws.owns(_tags(answer)):
                return None
        definition = answer["taskDefinition"]
        return Live(
            definition["taskDefinitionArn"],
            told(definition, self.environment),
            self._family_tags(answer),
        )

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self.aws.client("ecs").describe_task_definition(
                taskDefinition=name, include=["TAGS"]
            )
        except ClientError as error:
            if _NO_SUCH in str(error):
                return None
            raise
        return answer

    def _revisions(self, status: str) -> list[str]:
        """Return the ARNs of all revisions in a status, oldest first."""
        arns = self.aws.pages(
            "ecs", "list_task_definitions", "taskDefinitionArns",
            familyPrefix=self.name, status=status,
        )  # fmt: skip
        ours = [arn for arn in arns if arn.split("/")[-1].split(":")[0] == self.name]
        return sorted(ours, key=lambda arn: int(arn.rsplit(":", 1)[1]))

    def _family_tags(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Return a revision's tags, or ours if an earlier one has them.

        Revisions have tags, not families, and one that a hand registers rarely has any.
        """
        tags = _tags(answer)
        if not self.aws.owns(tags):
            for arn in reversed(self._revisions("ACTIVE")[:-1]):
                if self.aws.owns(_tags(self._describe(arn) or {})):
                    return self.aws.tags
        return tags

    def create(self, desired: Settings) -> None:
        """Register a revision."""
        self.aws.client("ecs").register_task_definition(
            family=self.name,
            tags=as_tags(self.aws.tags, "key", "value"),
            **as_arguments(desired),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Register a new revision: none can be changed."""
        self.create(desired)

    def delete(self, live: Live) -> None:
        """Delete every revision, the newest last: as long as it is there, `find` finds it."""
        active, retired = self._revisions("ACTIVE"), self._revisions("INACTIVE")
        older = [arn for arn in (*retired, *active) if arn != live.id]
        for arns in (older, [live.id]):
            for arn in set(arns) & set(active):
                self.aws.client("ecs").deregister_task_definition(taskDefinition=arn)
            self._delete([arn for arn in arns if arn in {*active, *retired}])

    def _delete(self, arns: Sequence[str]) -> None:
        """Delete retired revisions; those that still run go when their last task has stopped."""
        for start in range(0, len(arns), _AT_A_TIME):
            answer = self.aws.client("ecs").delete_task_definitions(
                taskDefinitions=arns[start : start + _AT_A_TIME]
            )
            left = [item for item in answer["failures"] if _GONE not in item["reason"]]
            if left:
                said = "; ".join(f"{item['arn']}: {item['reason']}" for item in left)
                raise AwsRefused(f"{self}: AWS did not delete all of its revisions. {said}")


def billed(task: TaskDefinition, hours: float) -> tuple[tuple[str, float], ...]:
    """Return what hours of one task are billed as: cores, memory and an address."""
    return (
        ("fargate cpu hour", hours * task.cpu / 1024),
        ("fargate GB hour", hours * task.memory / 1024),
        ("public address hour", hours),
    )


def _tags(answer: Mapping[str, Any]) -> dict[str, str]:
    return from_tags(answer.get("tags"), "key", "value")
