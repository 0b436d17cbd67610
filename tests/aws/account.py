"""An emulated AWS account: its sessions record every call and can be made to fail."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.client
import botocore.endpoint_provider
import botocore.hooks
import botocore.session
import botocore.useragent
import httpx
from botocore.awsrequest import AWSResponse

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.settings import InfraSettings
from tests.aws.fits import refuse_misfits

SETTINGS: Mapping[str, Any] = {
    "region": "eu-central-1",
    "alarm_email": "team@example.com",
    "budget_dollars": 100,
    "github_repository": "acme/forecasts",
}
DELIVERIES: Mapping[str, Any] = {"delivery_layout": "departments"}
"""What adds to the stacks all that takes deliveries."""
_READS = re.compile(r"^(Get|List|Describe|Head)")


def is_read(call: str) -> bool:
    """Return whether an operation, or an event that ends with its name, only reads."""
    return bool(_READS.match(call.rsplit(".", 1)[-1]))


def _once(owner: Any, name: str, key: Callable[..., Hashable]) -> None:
    """Keep what a function of boto3's gives for each key, None: for none, from call to call."""
    make, made = getattr(owner, name), {}

    def kept(*arguments: Any, **named: Any) -> Any:
        of = key(*arguments, **named)
        if of is None:
            return make(*arguments, **named)
        if of not in made:
            made[of] = make(*arguments, **named)
        return made[of]

    setattr(owner, name, kept)


# The tests make 30 000 clients: what AWS's services look like is read once, not by each session,
# and what depends on a service alone is made once, not for each client or call.
_once(botocore.session, "create_loader", lambda path=None: path or "")
_once(botocore.client.ClientCreator, "_create_client_class", lambda _, service, *__: service)
_once(botocore.endpoint_provider, "RuleSet", lambda rules, **_: id(rules))
_once(botocore.hooks.EventAliaser, "_alias_event_name", lambda _, event: event)
_once(botocore.hooks, "accepts_kwargs", lambda handler: getattr(handler, "__code__", None))
_once(
    botocore.useragent,
    "sanitize_user_agent_string_component",
    lambda *of, **named: (of, *named.values()),
)
_KEYS = {"aws_access_key_id": "AKIAEMULATOR", "aws_secret_access_key": "emulated"}


class Killed(BaseException):
    """The process is gone: not an error that anything may handle."""


@dataclass
class Calls:
    """What one session called, in order, as ("ec2", "DescribeVpcs"); reads and writes apart."""

    made: list[tuple[str, str]] = field(default_factory=list)

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.made if not is_read(call[1])]

    def __len__(self) -> int:
        return len(self.made)


class Account:
    """One emulator, reset at will. Sessions are made as boto3 makes them, with keys and a URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self) -> None:
        httpx.post(f"{self.url}/moto-api/reset", timeout=30).raise_for_status()

    def session(self, region: str = "eu-central-1") -> boto3.Session:
        session = boto3.Session(**_KEYS, region_name=region)
        make = session.client

        def client(service: str, **options: Any) -> Any:
            return make(service, **{"endpoint_url": self.url, **options})

        session.client = client  # type: ignore[method-assign]
        session.events.register("before-parameter-build.*.*", refuse_misfits)
        return session

    def aws(self, session: boto3.Session | None = None, **settings: Any) -> Aws:
        chosen = InfraSettings(**{**SETTINGS, **settings})
        return Aws(chosen, session or self.session(chosen.region))

    def environment(self) -> dict[str, str]:
        """Return the variables with which any process of boto3 talks to this account."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "INFRA_"))},
            "AWS_ENDPOINT_URL": self.url,
            **{name.upper(): value for name, value in _KEYS.items()},
            "AWS_REGION": "eu-central-1",
            "INFRA_ALLOW_HTTP": "true",  # no name is anybody's here
        }


def record(session: boto3.Session) -> Calls:
    """Record the calls of a session, also those that fail."""
    calls = Calls()

    def note(event_name: str, **_: Any) -> None:
        _, service, operation = event_name.split(".")
        calls.made.append((service, operation))

    session.events.register("before-call.*.*", note)
    return calls


class Killer:
    """Lets the process of a session die at a call: no later call of any thread is made then."""

    def __init__(self, session: boto3.Session) -> None:
        self.died_at = ""
        self._left: int | None = None
        self._when = ""
        self._writes_only = False
        session.events.register("before-send.*.*", self._before)
        session.events.register("after-call.*.*", self._after)

    def aim(self, number: int, when: str, *, writes_only: bool = False) -> None:
        """Die at a call from now on (0: the next), "before" it is sent or "after" it is done."""
        self.died_at, self._left, self._when, self._writes_only = "", number, when, writes_only

    def rest(self) -> None:
        """Let everything live from now on."""
        self.died_at, self._left = "", None

    def _before(self, event_name: str, **_: Any) -> None:
        if self.died_at:
            raise Killed
        self._count("before", event_name)

    def _after(self, event_name: str, **_: Any) -> None:
        self._count("after", event_name)

    def _count(self, when: str, event_name: str) -> None:
        if self._left is None or when != self._when:
            return
        if self._writes_only and is_read(event_name):
            return
        self._left -= 1
        if self._left < 0:
            self.died_at = event_name
            raise Killed


def answer_with(
    session: boto3.Session, event: str, code: str, message: str, status: int, *, once: bool = False
) -> list[str]:
    """Let AWS answer calls of `event` ("ecs.CreateCluster", "*.*") with an error of its own.

    Returns a list that fills with the names of the calls so answered; `once`: each call's first
    attempt only.
    """
    answered: list[str] = []

    def refuse(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        attempt = request.headers.get("amz-sdk-request", b"attempt=1")
        attempt = attempt.decode() if isinstance(attempt, bytes) else attempt
        if once and not attempt.startswith("attempt=1"):
            return None
        answered.append(event_name.removeprefix("before-send."))
        return _refusal(request, code, message, status)

    session.events.register(f"before-send.{event}", refuse)
    return answered


def _refusal(request: Any, code: str, message: str, status: int) -> AWSResponse:
    service = request.headers.get("X-Amz-Target")
    content = str(request.headers.get("Content-Type", ""))
    if service or "json" in content:
        body = json.dumps({"__type": code, "message": message, "Message": message})
        headers = {"x-amzn-errortype": code, "content-type": "application/json"}
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        if "Version=2016-11-15" in str(request.body):
            body = f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>"
        else:
            body = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
        headers = {"x-amzn-errortype": code, "content-type": "text/xml"}
    raw = _Raw(body.encode())
    return AWSResponse(request.url, status, headers, raw)


class _Raw:
    """As much of a network response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = [body]

    def stream(self, **_: Any) -> Iterator[bytes]:
        while self._body:
            yield self._body.pop()
