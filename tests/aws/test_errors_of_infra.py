"""What AWS and boto3 say no with, as one of our errors, with what to do."""

from __future__ import annotations

import inspect
import json
import string
from collections import defaultdict
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from aws_cloud_infra.account import clients as aws_module
from aws_cloud_infra.account.errors import (
    AWS_ERRORS,
    AccessDenied,
    AwsRefused,
    InfraError,
    NoCredentials,
    is_missing,
    translate,
)
from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.resources.containers.schedule_group import ScheduleGroup
from aws_cloud_infra.resources.network.vpc import Vpc
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks import both
from sales_forecast.errors import SalesForecastError, SettingsError
from tests.aws.account import Account, answer_with
from tests.aws.lifecycle import quietly

NAME = "/sales-forecast/production/service"
STATEMENT = {"Effect": "Allow", "Action": "ecs:CreateCluster", "Resource": "*"}


def _answer(code: str, text: str = "No.", call: str = "CreateCluster") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, call)


def _translated(code: str, text: str = "No.") -> InfraError:
    return translate(_answer(code, text), "cluster x", lambda _: STATEMENT)


def _all_of_botocore() -> list[type[Exception]]:
    return [
        error
        for _, error in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(error, AWS_ERRORS)
    ]


class _Anything(defaultdict[str, Any]):
    """Fills every place in a message."""

    def __init__(self, form: str) -> None:
        names = [name for _, name, _, _ in string.Formatter().parse(form) if name]
        super().__init__(str, dict.fromkeys(names, "something"))


@pytest.mark.parametrize("kind", _all_of_botocore())
def test_every_error_of_boto3_becomes_one_of_ours(kind: type[Exception]) -> None:
    if issubclass(kind, ClientError):
        error: Exception = kind({"Error": {"Code": "Whatever", "Message": "No."}}, "CreateCluster")
    elif kind is WaiterError:
        error = WaiterError("x", "timed out", {})
    else:
        error = kind(**_Anything(getattr(kind, "fmt", "")))

    ours = translate(error, "cluster x", lambda _: None)

    assert isinstance(ours, InfraError)
    assert isinstance(ours, SalesForecastError)
    assert ours.message
    assert ours.code != InfraError.code, "each has a code that says more"


LOST = [
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError",
    "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "LoginRefreshRequired",
    "LoginTokenLoadError", "NoAuthTokenError", "MetadataRetrievalError",
    "RefreshWithMFAUnsupportedError",
]  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_missing_or_expired_credentials_are_told_with_how_to_log_in(name: str) -> None:
    kind = getattr(botocore.exceptions, name)

    ours = translate(kind(**_Anything(kind.fmt)), "VPC x", lambda _: None)

    assert isinstance(ours, NoCredentials)
    assert "aws sso login" in ours.message


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_credentials_that_expire_midway_are_told(code: str) -> None:
    ours = _translated(code)

    assert isinstance(ours, NoCredentials)
    assert ours.message.startswith("The AWS credentials have expired. Log in")
    assert {"resource": "cluster x", "call": "CreateCluster", "code": code} == ours.fields


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SignatureDoesNotMatch",
         "Signature expired: 20261128T080000Z is now earlier than 20261128T084500Z"),
        ("SignatureDoesNotMatch",
         "Signature not yet current: 20261128T100000Z is still later than 20261128T091500Z"),
        ("InvalidSignatureException",
         "Signature expired: 20261128T080000Z is now earlier than 20261128T084500Z"),
        ("RequestTimeTooSkewed", "The difference between the request time and ours is too large."),
    ],
)  # fmt: skip
def test_a_wrong_clock_is_no_wrong_key(code: str, text: str) -> None:
    ours = _translated(code, text)

    assert isinstance(ours, AwsRefused)
    assert ours.message.startswith("The clock of this machine is wrong")
    assert f"({text}). Set it, then run it again" in ours.message


@pytest.mark.parametrize(
    "code",
    ["InvalidClientTokenId", "AuthFailure", "OptInRequired", "SignatureDoesNotMatch",
     "InvalidSignatureException"],
)  # fmt: skip
def test_unknown_keys_may_mean_a_region_that_is_not_enabled(code: str) -> None:
    ours = _translated(code)

    assert isinstance(ours, NoCredentials)
    assert "the region is not enabled for the account" in ours.message


DENIALS = [
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
    "Client.UnauthorizedOperation", "403", "Forbidden",
]  # fmt: skip


@pytest.mark.parametrize("code", DENIALS)
def test_what_is_denied_is_told_with_the_statement_that_would_allow_it(code: str) -> None:
    ours = _translated(code)

    assert isinstance(ours, AccessDenied)
    assert ours.message.startswith("cluster x: not allowed to call CreateCluster. No.")
    assert STATEMENT == json.loads(ours.message.splitlines()[-1])


def test_a_denial_that_our_policy_does_not_cover_says_what_aws_says() -> None:
    ours = translate(_answer("AccessDenied", "An SCP forbids it."), "cluster x", lambda _: None)

    assert "cluster x: not allowed to call CreateCluster. An SCP forbids it." in ours.message


@pytest.mark.parametrize(
    ("denied", "action"),
    [
        ("scheduler:CreateScheduleGroup", "scheduler:CreateScheduleGroup"),
        ("scheduler:TagResource", "scheduler:TagResource"),
        ("sts:Unheard", "scheduler:CreateScheduleGroup"),
    ],
)
def test_the_statement_is_for_the_action_that_was_denied(
    account: Account, denied: str, action: str
) -> None:
    """A call may be refused for an action that it implies."""
    group = ScheduleGroup(account.aws(), "sales-forecast-production")
    arn = group.aws.arn("scheduler", f"schedule-group/{group.name}")
    text = f"User: u is not authorized to perform: {denied} on resource: {arn}"
    error = _answer("AccessDeniedException", text, "CreateScheduleGroup")

    ours = translate(error, str(group), lambda call: policy.allowing(group, call))

    statement = json.loads(ours.message.splitlines()[-1])
    assert ("Allow", action) == (statement["Effect"], statement["Action"])
    assert fnmatchcase(arn, statement["Resource"])


QUOTAS = [
    "VpcLimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "TooManyBuckets",
    "TooManyLoadBalancers", "InstanceQuotaExceeded", "LimitExceeded", "LimitsExceeded",
    "CodeStorageExceededException", "TargetGroupAssociationLimit",
]  # fmt: skip


@pytest.mark.parametrize("code", QUOTAS)
def test_a_quota_is_told_with_where_to_ask_for_more(code: str) -> None:
    ours = _translated(code, "The maximum number of VPCs has been reached.")

    assert isinstance(ours, AwsRefused)
    assert "quota is used up (CreateCluster: The maximum number of VPCs" in ours.message
    assert "Service Quotas" in ours.message


@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "InsufficientDBInstanceCapacity"])
def test_a_size_of_which_aws_has_none_left_is_told_with_what_to_set(code: str) -> None:
    ours = _translated(code, "There is no t3.small in eu-central-1a.")

    assert isinstance(ours, AwsRefused)
    assert "none left of this size at the moment (CreateCluster: There is no" in ours.message
    assert "`instance_type` or `database_class`" in ours.message


THROTTLES = [
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded",
    "TooManyRequestsException", "SlowDown", "RequestThrottled",
]  # fmt: skip


@pytest.mark.parametrize("code", THROTTLES)
def test_throttling_to_the_end_is_no_quota(code: str) -> None:
    ours = _translated(code)

    assert isinstance(ours, AwsRefused)
    assert "asks to slow down after all retries (CreateCluster)" in ours.message
    assert "quota" not in ours.message


def test_a_waiter_that_gives_up_says_what_to_look_at() -> None:
    ours = translate(WaiterError("ServicesStable", "Max attempts", {}), "service x", lambda _: None)

    assert isinstance(ours, AwsRefused)
    assert "service x did not get ready" in ours.message
    assert "Max attempts" in ours.message


def test_anything_else_is_told_with_the_call_and_the_resource() -> None:
    ours = _translated("ClientException", "Too many volumes.")

    assert isinstance(ours, AwsRefused)
    assert "cluster x: AWS refused CreateCluster (ClientException: Too many volumes.)." == (
        ours.message
    )


MISSING = [
    "ResourceNotFoundException", "ResourceNotFound", "NotFound", "NoSuchEntity", "NoSuchBucket",
    "InvalidVpcID.NotFound", "DBInstanceNotFound", "DBSubnetGroupNotFoundFault", "404",
    "ClusterNotFoundException", "ParameterNotFound", "Gateway.NotAttached",
]  # fmt: skip


@pytest.mark.parametrize("code", MISSING)
def test_what_does_not_exist_is_no_error_when_reading(code: str) -> None:
    assert is_missing(_answer(code))


@pytest.mark.parametrize("code", ["AccessDenied", "NotFoundry", "ValidationException", "403", ""])
def test_no_other_answer_counts_as_missing(code: str) -> None:
    assert not is_missing(_answer(code))


# The same, as it happens on the way to AWS.


def test_no_credentials_at_all(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    session = account.session()
    session._session.set_credentials(None, None)
    monkeypatch.setattr(session._session, "get_credentials", lambda: None)

    with pytest.raises(NoCredentials, match="No AWS credentials: Unable to locate credentials"):
        plan([LogGroup(account.aws(session), NAME, 30)])


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    import boto3  # noqa: PLC0415

    with pytest.raises(AWS_ERRORS) as raised:
        boto3.Session()

    ours = translate(raised.value, "AWS", lambda _: None)
    assert isinstance(ours, NoCredentials)
    assert "(nobody) could not be found" in ours.message


def _denied_when(
    account: Account, event: str, code: str, verb: Callable[[LogGroup], Any]
) -> InfraError:
    session = account.session()
    answer_with(session, event, code, "No.", 403)
    with pytest.raises(InfraError) as raised:
        verb(LogGroup(account.aws(session), NAME, 30))
    return raised.value


@pytest.mark.parametrize("call", ["DescribeLogGroups", "CreateLogGroup", "PutRetentionPolicy"])
def test_a_denied_call_names_the_action_the_resource_and_the_statement(
    account: Account, call: str
) -> None:
    ours = _denied_when(
        account,
        f"cloudwatch-logs.{call}",
        "AccessDeniedException",
        lambda group: apply(plan([group]), quietly),
    )

    assert isinstance(ours, AccessDenied)
    assert ours.message.startswith(f"log group {NAME}: not allowed to call {call}. No.")
    statement = json.loads(ours.message.splitlines()[-1])
    assert ("Allow", f"logs:{call}") == (statement["Effect"], statement["Action"])
    patterns = statement["Resource"]
    arn = f"arn:aws:logs:eu-central-1:123456789012:log-group:{NAME}"
    assert any(
        fnmatchcase(arn, pattern)
        for pattern in ([patterns] if isinstance(patterns, str) else patterns)
    )


def test_expired_credentials_on_the_way(account: Account) -> None:
    ours = _denied_when(account, "*.*", "ExpiredTokenException", lambda group: plan([group]))

    assert isinstance(ours, NoCredentials)


def test_a_quota_on_the_way(account: Account) -> None:
    session = account.session()
    answer_with(session, "ec2.CreateVpc", "VpcLimitExceeded", "Five VPCs are there.", 400)

    with pytest.raises(AwsRefused, match=r"VPC x: .*quota is used up \(CreateVpc: Five VPCs"):
        apply(plan([Vpc(account.aws(session), "x", "10.20.0.0/16")]), quietly)


def test_throttling_is_tried_again_and_then_told(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How often is a matter of the configuration: here twice, not ten times."""
    monkeypatch.setattr(
        aws_module, "_CLIENT", Config(retries={"mode": "standard", "total_max_attempts": 2})
    )
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    session = account.session()
    tried = answer_with(
        session, "cloudwatch-logs.DescribeLogGroups", "ThrottlingException", "Slow.", 400
    )

    with pytest.raises(AwsRefused, match="AWS still asks to slow down after all retries"):
        plan([LogGroup(account.aws(session), NAME, 30)])

    assert 2 == len(tried)


def test_throttling_that_ends_is_not_noticed(account: Account) -> None:
    session = account.session()
    tried = answer_with(
        session, "cloudwatch-logs.*", "ThrottlingException", "Slow.", 400, once=True
    )

    apply(plan([LogGroup(account.aws(session), NAME, 30)]), quietly)

    assert "cloudwatch-logs.CreateLogGroup" in tried


def test_a_region_or_endpoint_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        aws_module, "_CLIENT", Config(retries={"mode": "standard", "total_max_attempts": 1})
    )
    nowhere = Account("http://127.0.0.1:9")  # the discard port: nothing listens

    with pytest.raises(AwsRefused, match=r"AWS does not answer .*127\.0\.0\.1:9.*region"):
        plan([Vpc(nowhere.aws(), "x", "10.20.0.0/16")])


def test_an_endpoint_that_is_no_url() -> None:
    with pytest.raises(
        SettingsError, match=r"Invalid endpoint: localhost:1\. Correct AWS_ENDPOINT"
    ):
        Account("localhost:1").aws().client("sts")


def test_the_free_plan_of_an_account_is_named_with_what_it_allows(account: Account) -> None:
    session = account.session()
    text = "The specified backup retention period exceeds the maximum available to free tier."
    answer_with(session, "rds.CreateDBInstance", "FreeTierRestrictionError", text, 400)
    _, mlflow = both(account.aws(session))
    with pytest.raises(AwsRefused, match=r"database .*free plan.*database_backup_days = 1") as told:
        apply(plan(mlflow.resources), quietly)
    assert 1 == len(told.value.message.splitlines())
