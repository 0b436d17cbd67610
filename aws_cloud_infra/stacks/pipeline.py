"""The pipeline's login: one branch of one GitHub repository, without keys.

Takes the resources of both stacks, gives a role that may manage them and release images.
"""

from __future__ import annotations

from collections.abc import Iterable

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import Document, allow
from aws_cloud_infra.account.documents import policy as policy_document
from aws_cloud_infra.engine import policy
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Part
from aws_cloud_infra.resources.containers.repository import Repository
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.identity.github_identity import GITHUB, GithubIdentity
from aws_cloud_infra.resources.identity.managed_policy import ManagedPolicy
from aws_cloud_infra.resources.identity.role import Role

_MOST_POLICIES = 10
"""How many IAM lets a role have."""


def pipeline(
    aws: Aws,
    repository: Repository,
    api_key: Secret,
    serving: tuple[Resource, ...],
    beside: tuple[Resource, ...],
) -> Part:
    """Return what lets one branch of one repository run both scripts and release images.

    It may make and mend, but not destroy; roles, policies, bucket and database it may only look at,
    so whoever takes it over cannot give himself more rights, nor reach backups and old versions.
    The subject of GitHub's token names the environment of a job where it would name the branch, so
    AWS is to look at both: an environment lets every branch in until somebody forbids it.
    """
    identity = GithubIdentity(aws, "GitHub")
    ever = tuple(_policy(aws, number) for number in range(1, _MOST_POLICIES + 1))
    everything = (identity, *ever, Role(aws, aws.pipeline_role, "", {}, (), attached=ever))
    if not aws.settings.github_repository:
        return Part.of((), everything)
    github, branch = aws.settings.github_repository, f"refs/heads/{aws.settings.github_branch}"
    # Since July 2026 new repositories have numbers in the subject: repo:owner@1/name@2:...
    names = (github, "@*/".join(github.split("/")) + "@*")
    subjects = [f"repo:{name}:environment:{aws.settings.environment}" for name in names]
    may = policy.statements((*serving, *beside, identity, ever[0]), pipeline=True)
    policies = tuple(
        _policy(aws, number, part["Statement"])
        for number, part in enumerate(policy.parts(may), start=1)
    )
    role = Role(
        aws, aws.pipeline_role, f"The pipeline of {github}, {branch}",
        policy_document({
            "Effect": "Allow",
            "Principal": {"Federated": identity.arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com",
                                 f"{GITHUB}:repository": github, f"{GITHUB}:ref": branch},
                "StringLike": {f"{GITHUB}:sub": subjects},
            },
        }),
        may_release(repository, api_key), attached=policies,
    )  # fmt: skip
    return Part.of((identity, *policies, role), everything)


def _policy(aws: Aws, number: int, statements: Iterable[Document] = ()) -> ManagedPolicy:
    name = aws.pipeline_role + (f"-{number}" if number > 1 else "")
    return ManagedPolicy(aws, name, "A part of what the pipeline may do", tuple(statements))


def may_release(repository: Repository, api_key: Secret) -> tuple[Document, ...]:
    """Return what `docker push` and the verbs of `release.py` need, beside reading the stack."""
    return (
        allow("ecr:GetAuthorizationToken", "*"),
        allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchDeleteImage", "ecr:BatchGetImage",
             "ecr:CompleteLayerUpload", "ecr:DescribeImageScanFindings", "ecr:DescribeImages",
             "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"],
            repository.arn,
        ),
        allow("secretsmanager:GetSecretValue", api_key.arn),
    )  # fmt: skip
