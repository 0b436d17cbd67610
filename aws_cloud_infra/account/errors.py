"""What can go wrong with AWS, as a branch of the one tree. Takes foreign errors, gives sentences.

InfraError
├── NoCredentials    none, expired, or of another account
├── AccessDenied     the action, the resource, and the policy statement that would allow it
├── NotOurs          a resource of our name without our tags: never changed, never deleted
├── CannotChange     a setting that AWS fixes at creation
├── ForAPerson       what gives rights or holds data is not there, and the pipeline may not make it
├── StillDeleting    AWS has not finished deleting what is to be made again
├── LeaseHeld        another run is changing the environment (engine/lease.py)
└── AwsRefused       everything else that AWS says no to, with the call and the resource
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - its name there
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    WaiterError,
)

from sales_forecast.errors import SalesForecastError

AWS_ERRORS = (BotoCoreError, ClientError)
"""All that boto3 raises."""

MISSING = re.compile(
    r"NotFound(Exception|Fault)?$|\.NotAttached$|^NoSuch|^404$|NonExistentQueue$|QueueDoesNotExist$"
)
"""Codes by which AWS says that what was asked for does not exist."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN_KEY = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_WRONG_CLOCK = re.compile(r"Signature (expired|not yet current)|^RequestTimeTooSkewed|InTheFuture")
"""Of a code and its text: a signature is of a moment, and AWS's clock says that it is another."""
_DENIED = re.compile(
    r"AccessDenied|UnauthorizedOperation|NotAuthorized|AuthorizationError|^403$|^Forbidden$"
)
_DENIED_ACTION = re.compile(r"not authorized to perform: [\w-]+:(\w+)")
_GOES_ON = "run it again: it goes on where it stopped."
_SENTENCES = (
    (
        re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown"),
        f"AWS still asks to slow down after all retries ({{call}}). In a minute, {_GOES_ON}",
    ),
    (
        re.compile(
            r"Limits?Exceeded|QuotaExceeded|TooMany|LimitReached|AssociationLimit|StorageExceeded"
        ),
        (
            "the account's quota is used up ({call}: {text}). Ask for more under Service Quotas or "
            f"delete what is not needed, then {_GOES_ON}"
        ),
    ),
    (
        re.compile(r"^FreeTierRestrictionError$"),
        (
            "the account is on AWS's free plan, which does not allow this ({call}: {text}). Set "
            '`database_backup_days = 1` and `database_class = "db.t4g.micro"`, or upgrade the '
            f"plan, then {_GOES_ON}"
        ),
    ),
    (
        re.compile(r"^Insufficient(DB)?InstanceCapacity$"),
        (
            "AWS has none left of this size at the moment ({call}: {text}). Take another "
            f"`instance_type` or `database_class`, or wait, then {_GOES_ON}"
        ),
    ),
    (re.compile(""), "AWS refused {call} ({code}: {text})."),
)
"""What the code of a refusal means; the first that fits, as RequestLimitExceeded is no quota."""

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
)
_LOGIN_EXPIRED = (LoginError, SSOError, TokenRetrievalError)

_GET_CREDENTIALS = "Log in (`aws sso login`, `aws configure`) or set AWS_PROFILE, and run it again."


class InfraError(SalesForecastError):
    """Base of what the infrastructure commands refuse or fail with."""

    code = "infrastructure"
    _unprinted = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]+")
    """A person reads these in a terminal, where a statement stands on a line of its own."""


class NoCredentials(InfraError):
    """No usable AWS credentials."""

    code = "no_credentials"


class AccessDenied(InfraError):
    """The caller may not do that; the message holds the statement that would allow it."""

    code = "access_denied"


class NotOurs(InfraError):
    """A resource has our name but not our tags."""

    code = "not_ours"


class CannotChange(InfraError):
    """A setting differs that AWS fixes at creation."""

    code = "cannot_change"


class ForAPerson(InfraError):
    """Something is missing that only a person may make."""

    code = "for_a_person"


class StillDeleting(InfraError):
    """A resource of our name is on its way out."""

    code = "still_deleting"


class AwsRefused(InfraError):
    """AWS refused or failed a call."""

    code = "aws_refused"


def is_missing(error: ClientError) -> bool:
    """Return whether AWS says that what was asked for does not exist."""
    return MISSING.search(str(error.response.get("Error", {}).get("Code", ""))) is not None


def translate(
    error: BotoCoreError | ClientError,
    what: str,
    allow: Callable[[str], Mapping[str, object] | None],
) -> InfraError:
    """Say in one sentence what went wrong, where, and what to do.

    `what` names the resource in hand; `allow` gives the policy statement for a call such as
    `ecs:CreateCluster`, or None if our policy has none.
    """
    if isinstance(error, _NO_CREDENTIALS):
        return NoCredentials(f"No AWS credentials: {error}. {_GET_CREDENTIALS}")
    if isinstance(error, _LOGIN_EXPIRED):
        return NoCredentials(f"The AWS login has expired: {error} {_GET_CREDENTIALS}")
    if isinstance(error, WaiterError):
        return AwsRefused(
            f"{what} did not get ready: {error}. Look at it in the AWS console, then run it again."
        )
    if isinstance(error, ConnectionError | HTTPClientError):
        return AwsRefused(
            f"{what}: AWS does not answer ({error}). Check the network, and that the region in the "
            "settings exists and is enabled for this account."
        )
    if isinstance(error, ClientError):
        return _translate_answer(error, what, allow)
    return AwsRefused(f"{what}: {error}")


def _translate_answer(
    error: ClientError, what: str, allow: Callable[[str], Mapping[str, object] | None]
) -> InfraError:
    answer = error.response.get("Error", {})
    code, text = str(answer.get("Code", "")), str(answer.get("Message", ""))
    call = error.operation_name
    fields = {"resource": what, "call": call, "code": code}
    if _WRONG_CLOCK.search(code) or _WRONG_CLOCK.search(text):
        return AwsRefused(
            f"The clock of this machine is wrong, so AWS does not believe what it signs ({text}). "
            f"Set it, then {_GOES_ON}",
            fields,
        )
    if code in _EXPIRED:
        return NoCredentials(f"The AWS credentials have expired. {_GET_CREDENTIALS}", fields)
    if code in _UNKNOWN_KEY:
        return NoCredentials(
            f"AWS does not accept the credentials here ({code}: {text}). Either they are wrong, or "
            f"the region is not enabled for the account. {_GET_CREDENTIALS}",
            fields,
        )
    if _DENIED.search(code):
        # The call may have been refused for an action that it implies, such as iam:PassRole.
        denied = _DENIED_ACTION.search(text)
        statement = allow(denied[1] if denied else call) or allow(call)
        remedy = f"This statement would allow it:\n{json.dumps(statement)}" if statement else text
        return AccessDenied(f"{what}: not allowed to call {call}. {text}\n{remedy}", fields)
    said = next(sentence for pattern, sentence in _SENTENCES if pattern.search(code))
    return AwsRefused(f"{what}: {said.format(call=call, code=code, text=text)}", fields)
