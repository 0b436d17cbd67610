"""The pipeline's login: one branch of one GitHub repository, without keys.

Takes the resources of both stacks, gives a role that may manage them and push images.
"""

from __future__ import annotations

from aws_cloud_infra import policy
from aws_cloud_infra.aws import Aws
from aws_cloud_infra.documents import allow
from aws_cloud_infra.documents import policy as policy_document
from aws_cloud_infra.resource import Resource
from aws_cloud_infra.resources.identity import GITHUB, GithubIdentity, Role
from aws_cloud_infra.resources.images import Repository
from aws_cloud_infra.resources.policies import ManagedPolicy


def pipeline(
    aws: Aws,
    repository: Repository,
    serving: tuple[Resource, ...],
    beside: tuple[Resource, ...],
) -> tuple[Resource, ...]:
    """Return what lets one branch of one repository run both scripts and push images.

    It may make and mend, but not destroy: whoever takes the pipeline over takes no data along.
    """
    if not aws.settings.github_repository:
        return ()
    branch = f"repo:{aws.settings.github_repository}:ref:refs/heads/{aws.settings.github_branch}"
    identity = GithubIdentity(aws, "GitHub")
    # IAM takes 10,240 letters inline and 6,144 in a policy: both stacks do not fit into one.
    manages_beside = ManagedPolicy(
        aws, f"{aws.prefix}-github", "What the pipeline may do beside the serving stack",
        tuple(policy.document(beside, destroy=False)["Statement"]),
    )  # fmt: skip
    push = (
        allow("ecr:GetAuthorizationToken", "*"),
        allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
             "ecr:DescribeImageScanFindings", "ecr:InitiateLayerUpload", "ecr:PutImage",
             "ecr:UploadLayerPart"],
            repository.arn,
        ),
    )  # fmt: skip
    manages = policy.document((*serving, identity, manages_beside), destroy=False)["Statement"]
    role = Role(
        aws, f"{aws.prefix}-github", f"The pipeline of {branch}",
        policy_document({
            "Effect": "Allow",
            "Principal": {"Federated": identity.arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com",
                                           f"{GITHUB}:sub": branch}},
        }),
        (*manages, *push),
        attached=(manages_beside,),
    )  # fmt: skip
    return identity, manages_beside, role
