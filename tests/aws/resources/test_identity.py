"""Roles, instance profile and identity provider on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import allow, policy, trust
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.identity.github_identity import GITHUB, GithubIdentity
from aws_cloud_infra.resources.identity.instance_profile import InstanceProfile
from aws_cloud_infra.resources.identity.managed_policy import ManagedPolicy
from aws_cloud_infra.resources.identity.role import Role
from tests.aws.account import Account
from tests.aws.census import census
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes

_MORE = json.dumps(policy(allow("s3:*", "*")))


def identities(aws: Aws) -> Sequence[Resource]:
    beside = ManagedPolicy(
        aws, f"{aws.prefix}-host", "what else", (allow("sns:Publish", "arn:aws:sns:::topic"),)
    )
    role = Role(
        aws, f"{aws.prefix}-host", "what the host may do", trust("ec2.amazonaws.com"),
        (allow("s3:GetObject", "arn:aws:s3:::models/*"),), (beside,),
    )  # fmt: skip
    return [
        beside,
        role,
        InstanceProfile(aws, f"{aws.prefix}-host", role),
        GithubIdentity(aws, "GitHub"),
    ]


def _iam(operation: str, **arguments: Any) -> Callable[[Aws, Live], Any]:
    """Call IAM for the one role and profile of this test."""

    def change(aws: Aws, live: Live) -> None:
        getattr(aws.client("iam"), operation)(
            **{
                key: value.format(prefix=aws.prefix) if isinstance(value, str) else value
                for key, value in arguments.items()
            }
        )

    return change


def _loosen_trust(aws: Aws, live: Live) -> None:
    aws.client("iam").update_assume_role_policy(
        RoleName=f"{aws.prefix}-host", PolicyDocument=json.dumps(trust("lambda.amazonaws.com"))
    )


def _add_policy(name: str) -> Callable[[Aws, Live], Any]:
    return lambda aws, live: aws.client("iam").put_role_policy(
        RoleName=f"{aws.prefix}-host", PolicyName=name, PolicyDocument=_MORE
    )


def _attach_more(aws: Aws, live: Live) -> None:
    iam = aws.client("iam")
    made = iam.create_policy(PolicyName="more", PolicyDocument=_MORE)
    iam.attach_role_policy(RoleName=f"{aws.prefix}-host", PolicyArn=made["Policy"]["Arn"])


def _loosen_policy(aws: Aws, live: Live) -> None:
    aws.client("iam").create_policy_version(
        PolicyArn=live.id, PolicyDocument=_MORE, SetAsDefault=True
    )


def _detach_all(aws: Aws, live: Live) -> None:
    for arn in live.settings["attached"]:
        aws.client("iam").detach_role_policy(RoleName=f"{aws.prefix}-host", PolicyArn=arn)


_HOST = {"RoleName": "{prefix}-host"}
DRIFTS = [
    Drift(Role, "purpose", _iam("update_role", **_HOST, Description="anything")),
    Drift(Role, "session_seconds", _iam("update_role", **_HOST, MaxSessionDuration=7200)),
    Drift(Role, "trust", _loosen_trust),
    Drift(Role, "policies.what-it-needs", _add_policy("what-it-needs")),
    Drift(Role, "policies.more", _add_policy("more")),
    Drift(Role, "attached", _attach_more),
    Drift(Role, "attached", _detach_all),
    Drift(ManagedPolicy, "document", _loosen_policy),
    Drift(
        InstanceProfile, "role",
        _iam("remove_role_from_instance_profile", **_HOST, InstanceProfileName="{prefix}-host"),
    ),
]  # fmt: skip


def test_identities_are_made_healed_and_removed(account: Account) -> None:
    check_life(account, identities, DRIFTS)


def test_an_identity_provider_that_somebody_else_made_is_used_and_never_deleted(
    account: Account,
) -> None:
    aws = account.aws()
    aws.client("iam").create_open_id_connect_provider(
        Url=f"https://{GITHUB}", ClientIDList=["sts.amazonaws.com", "another"]
    )
    stack = Stack("this", (), (GithubIdentity(aws, "GitHub"),))
    assert {} == what_changes(plan(stack.resources))
    (change,) = plan_destroy(stack, NOBODY, include_data=True)
    assert "somebody else made it: used as it is" == change.reason
    destroy([change], quietly)
    assert 1 == len(census(account.session())["iam OpenIDConnectProviderList"])


def test_the_identity_provider_stays_while_another_environment_logs_in_through_it(
    account: Account,
) -> None:
    def pipeline(environment: str) -> Stack:
        aws = account.aws(environment=environment)
        identity = GithubIdentity(aws, "GitHub")
        let_in = policy({
            "Effect": "Allow",
            "Principal": {"Federated": identity.arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
        })  # fmt: skip
        return Stack("this", (), (identity, Role(aws, f"{aws.prefix}-github", "", let_in, ())))

    staging, production = pipeline("staging"), pipeline("production")
    for stack in (staging, production):
        apply(plan(stack.resources), quietly)
    destroy(plan_destroy(staging, NOBODY, include_data=True), quietly)
    assert {} == what_changes(plan(production.resources))
    destroy(plan_destroy(production, NOBODY, include_data=True), quietly)
    assert "iam OpenIDConnectProviderList" not in census(account.session())
