"""Bad circumstances: each ends in one clear sentence, and nothing half-written stays broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import botocore.endpoint
import pytest

from aws_cloud_infra.account.errors import (
    AccessDenied,
    AwsRefused,
    InfraError,
    NoCredentials,
    NotOurs,
)
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.network.existing_subnet import ExistingSubnet
from aws_cloud_infra.resources.network.existing_vpc import ExistingVpc
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, answer_with
from tests.aws.census import census
from tests.aws.lifecycle import quietly, what_changes

SCRIPT = Path(__file__).parents[2] / "aws_cloud_infra" / "infra.py"


def failure(stack: Stack) -> InfraError:
    with pytest.raises(InfraError) as caught:
        apply(plan(stack.resources), quietly)
    return caught.value


def test_without_credentials_the_script_says_how_to_get_some(account: Account) -> None:
    environment = {
        name: value
        for name, value in account.environment().items()
        if "ACCESS_KEY" not in name
    } | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "nowhere",
        "AWS_CONFIG_FILE": "nowhere",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, SCRIPT, "plan"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("No AWS credentials: ")
    assert "`aws sso login`" in done.stderr
    assert 1 == len(done.stderr.splitlines())


def test_expired_credentials_are_called_that(account: Account) -> None:
    session = account.session()
    serving, _ = both(account.aws(session))
    answer_with(session, "*.*", "ExpiredToken", "The security token is expired", 400)
    error = failure(serving)
    assert isinstance(error, NoCredentials)
    assert "have expired" in error.message


def test_access_denied_names_action_and_resource_and_the_statement_that_would_allow_it(
    account: Account,
) -> None:
    session = account.session()
    serving, _ = both(account.aws(session))
    denial = (
        "User: arn:aws:iam::1:user/me is not authorized to perform: ecr:CreateRepository "
        "on resource: arn:aws:ecr:eu-central-1:1:repository/sales-forecast-production"
    )
    answer_with(session, "ecr.CreateRepository", "AccessDeniedException", denial, 400)
    error = failure(serving)
    assert isinstance(error, AccessDenied)
    assert error.message.startswith(
        "container repository sales-forecast-production: not allowed to call CreateRepository."
    )
    assert denial in error.message
    assert '"Action": "ecr:CreateRepository"' in error.message
    assert ":repository/sales-forecast-production" in error.message.splitlines()[-1]


def test_a_used_up_quota_says_where_to_ask_for_more(account: Account) -> None:
    session = account.session()
    serving, _ = both(account.aws(session))
    answer_with(session, "ec2.CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs", 400)
    error = failure(serving)
    assert isinstance(error, AwsRefused)
    assert "VPC sales-forecast-production: the account's quota is used up" in error.message
    assert "Service Quotas" in error.message


def test_throttling_that_never_ends_is_given_up_with_a_sentence(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _: None)
    session = account.session()
    serving, _ = both(account.aws(session))
    answer_with(session, "logs.CreateLogGroup", "ThrottlingException", "Rate exceeded", 400)
    error = failure(serving)
    assert isinstance(error, AwsRefused)
    assert "AWS still asks to slow down after all retries (CreateLogGroup)" in error.message


def test_what_has_our_name_but_not_our_tags_is_refused_and_never_destroyed(
    account: Account,
) -> None:
    aws = account.aws()
    aws.client("ecr").create_repository(repositoryName=aws.prefix)
    aws.client("iam").create_role(RoleName=f"{aws.prefix}-task", AssumeRolePolicyDocument="{}")
    before = census(account.session())
    serving, tracking = both(aws)
    error = failure(serving)
    assert isinstance(error, NotOurs)
    assert "container repository sales-forecast-production (" in error.message
    assert "role sales-forecast-production-task (" in error.message
    assert "it lacks the tags" in error.message
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    assert before == census(account.session())


@pytest.mark.parametrize("number", [0, 1])
def test_the_same_environment_in_another_region_is_refused(account: Account, number: int) -> None:
    stack = both(account.aws())[number]
    apply(plan(stack.resources), quietly)
    error = failure(both(account.aws(region="us-east-1"))[number])
    said = "exists in eu-central-1, not in us-east-1: deploy to eu-central-1, or give"
    assert said in error.message


def test_a_vpc_that_does_not_exist_is_named(account: Account) -> None:
    subnets = {
        "public_subnet_ids": "subnet-11111111 subnet-22222222",
        "private_subnet_ids": "subnet-33333333 subnet-44444444",
    }
    serving, _ = both(account.aws(vpc_id="vpc-12345678", **subnets))
    error = failure(serving)
    assert "There is no vpc-12345678 in eu-central-1: correct vpc_id." in error.message


def test_an_existing_vpc_is_used_and_left_alone(account: Account) -> None:
    ec2 = account.session().client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{index}.0/24", AvailabilityZone=zone)[
            "Subnet"
        ]["SubnetId"]
        for index, zone in enumerate(["eu-central-1a", "eu-central-1b"] * 2)
    ]
    before = census(account.session())
    aws = account.aws(vpc_id=vpc, public_subnet_ids=subnets[:2], private_subnet_ids=subnets[2:])
    serving, tracking = both(aws, final_snapshot=False)
    assert {ExistingVpc, ExistingSubnet} == {
        type(item) for item in serving.shared if item.only_found
    }
    for stack in (serving, tracking):
        apply(plan(stack.resources), quietly)
        assert {} == what_changes(plan(stack.resources))
    assert census(account.session())["ec2 Vpcs"] == before["ec2 Vpcs"]
    destroy(plan_destroy(serving, tracking, include_data=True), quietly)
    destroy(plan_destroy(tracking, serving, include_data=True), quietly)
    assert before == census(account.session())
