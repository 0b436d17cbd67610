"""Calls made again: what AWS does not know yet, and an answer that was lost on its way.

AWS is many machines: one may not know yet what another made a second ago. Whoever writes opens
`patience`, in which botocore makes such a call again; `read` and `remove` close it, as to them it
is an answer that something is not there. Knows no service; must not make a call itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - its name there
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
)

from aws_cloud_infra.account.errors import MISSING

PAUSES = (1, 2, 4, 8, 15, 30, 30, 30)
"""Seconds before a call is made again: two minutes in all for what was just made."""
A_FEW = 3
"""How many of them are taken where nothing was just made: AWS may still name what it knows not."""

_MAKES_ANOTHER = {
    "CreateVpc", "CreateInternetGateway", "RegisterTaskDefinition", "CreateHostedZone"
}  # fmt: skip
"""Calls that have neither a name nor a token by which AWS would know the second as the first."""
_SERVER_ERROR = 500
_GONE = "InvalidPermission.NotFound"
"""Of a rule that is to be taken away: the group is known."""
_UNKNOWN_CODE = re.compile(r"^InvalidSubnet$|^InvalidSecurityGroup$")
_UNKNOWN_TEXT = re.compile(
    r"does not exist|(is|was|were) not found|could not be found|service linked role"
    r"|assume (the |given )?(IAM )?role|Role is not valid|Invalid IAM Instance Profile"
    r"|has no associated IAM Roles|not have an associated load balancer"
    r"|cannot be assumed by Lambda|validate the following destination"
)
"""What services say of a new role, profile, subnet, group, listener or right in place of a code."""

_THERE = re.compile(r"already|exists|duplicate|conflict|not idempotent", re.IGNORECASE)


@dataclass(frozen=True)
class _Patience:
    tries: int
    say: Callable[[str], None]


_NONE = _Patience(0, lambda _: None)
_patience: ContextVar[_Patience] = ContextVar("patience", default=_NONE)


@contextmanager
def patience(
    tries: int = len(PAUSES), say: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Make calls again that name what AWS does not know yet; `say` hears of each wait."""
    token = _patience.set(_Patience(tries, say))
    try:
        yield
    finally:
        _patience.reset(token)


@contextmanager
def no_patience() -> Iterator[None]:
    """Take it as an answer that something is not there."""
    with patience(0, _patience.get().say):
        yield


def tries(why: str) -> Iterator[int]:
    """Yield at once, and after each pause that there is patience for, how many are left."""
    left = PAUSES[: _patience.get().tries]
    yield len(left)
    for number, seconds in enumerate(left, 1):
        pause(seconds, why)
        yield len(left) - number


def pause(seconds: float, why: str) -> None:
    """Sleep, and let be known why."""
    _patience.get().say(why)
    time.sleep(seconds)


def is_unknown(answer: Mapping[str, Any]) -> bool:
    """Return whether an answer says that something it was asked about is not known (yet)."""
    error: Mapping[str, Any] = answer.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    missing = any(item.get("reason") == "MISSING" for item in answer.get("failures", ()))
    if code == _GONE:
        return False
    return missing or bool(
        MISSING.search(code) or _UNKNOWN_CODE.search(code) or _UNKNOWN_TEXT.search(text)
    )


def may_be_done(error: BotoCoreError | ClientError) -> bool:
    """Return whether what was refused may be done all the same.

    An answer may be lost on its way, and a refusal of a call that botocore made more than once may
    be that of what it did itself. What AWS says is there already may not have been shown before.
    """
    if isinstance(error, ClientError):
        if is_unknown(error.response):
            return False
        told: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
        failed = int(told.get("HTTPStatusCode", 0)) >= _SERVER_ERROR
        return failed or int(told.get("RetryAttempts", 0)) > 0 or bool(_THERE.search(str(error)))
    return isinstance(error, ConnectionError | HTTPClientError)


def teach(client: Any) -> None:
    """Let a client of boto3 ask here, before its own rules, whether to make a call again."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"needs-retry.{service}", _again)


def _again(
    attempts: int, operation: Any, response: Any, caught_exception: Exception | None, **_: Any
) -> float | bool | None:
    """Return the seconds before the next try, False for none, None to leave it to botocore."""
    http, answer = response or (None, {"Error": {}})
    if operation.name in _MAKES_ANOTHER:
        sent = not isinstance(caught_exception, EndpointConnectionError | ConnectTimeoutError)
        if (caught_exception and sent) or (http and http.status_code >= _SERVER_ERROR):
            return False
    present = _patience.get()
    refusal: Mapping[str, Any] = answer.get("Error", {})
    if attempts > present.tries or not is_unknown({"Error": refusal}):
        return None
    present.say(f"AWS does not know it yet: {refusal.get('Message', '')}")
    return PAUSES[attempts - 1]
