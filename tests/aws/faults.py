"""What goes wrong on AWS though nobody did wrong: put between a session and the emulated account.

Where the emulator is more lenient than AWS about a call that is made again, AWS's answer is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

from aws_cloud_infra.account.clients import Aws
from tests.aws.account import _Raw, _refusal, is_read

Pick = Callable[[str], str | None]
"""Takes a call, such as "ec2.CreateVpc"; gives the fault for its first attempt, or None."""

NOT_YET = "not yet"
SLOW_DOWN = "slow down"
FAILED = "failed"
LOST = "lost"
"""Done, but nobody hears of it."""

_UNKNOWN = {
    "ec2": "InvalidVpcID.NotFound",
    "ec2.DescribeInstances": "InvalidInstanceID.NotFound",
    "ec2.DescribeSecurityGroups": "InvalidGroup.NotFound",
    "ec2.RunInstances": "InvalidGroup.NotFound",
    "iam": "NoSuchEntity",
    "rds": "DBInstanceNotFound",
    "elastic-load-balancing-v2": "LoadBalancerNotFound",
    "ecs": "ClusterNotFoundException",
    "ecr": "RepositoryNotFoundException",
    "s3": "NoSuchBucket",
    "ssm": "ParameterNotFound",
    "glue": "EntityNotFoundException",
    "lambda": "ResourceNotFoundException",
    "sns": "NotFound",
    "cloudwatch": "ResourceNotFound",
    "application-auto-scaling": "ObjectNotFoundException",
}
_KNOWN_BY_TOKEN = {
    "RunInstances", "CreateRouteTable", "CreateFlowLogs", "CreateSchedule", "CreateScheduleGroup",
    "UpdateSchedule", "CreateSecret", "PutSecretValue",
}  # fmt: skip
_SAME_IS_THE_SAME = {
    "CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateCluster",
    "PutScalingPolicy",
}  # fmt: skip
"""Documented as idempotent: the same settings again succeed."""
_REFUSED_AGAIN = {
    "AttachInternetGateway": "Resource.AlreadyAssociated",
    "AssociateRouteTable": "Resource.AlreadyAssociated",
    "CreateRoute": "RouteAlreadyExists",
    "CreateDBSubnetGroup": "DBSubnetGroupAlreadyExists",
    "CreateDBParameterGroup": "DBParameterGroupAlreadyExists",
    "CreateService": "InvalidParameterException",
    "CreateFunction": "ResourceConflictException",
    "CreateJob": "AlreadyExistsException",
    "AddPermission": "ResourceConflictException",
    "RemovePermission": "ResourceNotFoundException",
    "RemoveRoleFromInstanceProfile": "NoSuchEntity",
    "RevokeSecurityGroupEgress": "InvalidPermission.NotFound",
}
"""Calls that AWS refuses the second time, and the emulator does not."""


@dataclass
class Faults:
    """The calls of a session that met a fault, as (call, fault)."""

    met: list[tuple[str, str]] = field(default_factory=list)

    def of(self, fault: str) -> list[str]:
        return [call for call, kind in self.met if kind == fault]


def disturb(session: boto3.Session, pick: Pick) -> Faults:
    """Let the first attempt of the picked calls meet a fault; later ones meet AWS's own answer."""
    faults = Faults()
    answers: dict[str, AWSResponse] = {}
    same: dict[tuple[str, Any], AWSResponse] = {}
    network = URLLib3Session()

    def send(call: str, request: AWSPreparedRequest) -> AWSResponse:
        if call.split(".")[1] not in _SAME_IS_THE_SAME:
            return network.send(request)
        key = call, request.body
        if key not in same:
            same[key] = network.send(request)
        return _copy(same[key])

    def meet(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse | None:
        call, sent = event_name.removeprefix("before-send."), _text(request, "invocation-id")
        if sent in answers:
            return _second(call, request, answers[sent])
        fault = pick(call) if _text(request, "request").startswith("attempt=1") else None
        if fault is None:
            return send(call, request) if call.split(".")[1] in _SAME_IS_THE_SAME else None
        faults.met.append((call, fault))
        if fault == LOST:
            answers[sent] = send(call, request)
            raise ConnectionClosedError(endpoint_url=request.url)
        return _refusal(request, *_said(call, fault))

    session.events.register("before-send.*.*", meet)
    return faults


def _second(call: str, request: AWSPreparedRequest, answer: AWSResponse) -> AWSResponse | None:
    """Return what AWS answers to a call of which it has lost an answer; None: as the emulator."""
    name = call.split(".")[1]
    if name in _REFUSED_AGAIN:
        return _refusal(request, _REFUSED_AGAIN[name], "It is there.", 400)
    if name in _KNOWN_BY_TOKEN | _SAME_IS_THE_SAME:
        return _copy(answer)
    return None


def _copy(answer: AWSResponse) -> AWSResponse:
    return AWSResponse(answer.url, answer.status_code, answer.headers, _Raw(answer.content))


def _said(call: str, fault: str) -> tuple[str, str, int]:
    if fault == SLOW_DOWN:
        return "ThrottlingException", "Rate exceeded", 400
    if fault == FAILED:
        return "InternalFailure", "Try again.", 500
    of_service = _UNKNOWN.get(call.partition(".")[0], "ResourceNotFoundException")
    return _UNKNOWN.get(call, of_service), "There is no such thing.", 404


def at_writes(fault: str) -> Pick:
    return lambda call: None if is_read(call) else fault


class Waiting(Aws):
    """One that knows which calls AWS's own waiters make."""

    def __init__(self, aws: Aws, session: boto3.Session) -> None:
        super().__init__(aws.settings, session)
        self._here = threading.local()

    def wait(self, service: str, waiter: str, **arguments: Any) -> None:
        with self._counted():
            super().wait(service, waiter, **arguments)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._here.polls = True
        try:
            yield
        finally:
            self._here.polls = False

    def polls(self) -> bool:
        """Return whether this is the first call of a waiter; it is told once."""
        first = getattr(self._here, "polls", False)
        self._here.polls = False
        return first


def _text(request: AWSPreparedRequest, name: str) -> str:
    value = request.headers.get(f"amz-sdk-{name}", "")
    return value.decode() if isinstance(value, bytes) else str(value)
