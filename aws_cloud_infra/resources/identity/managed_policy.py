"""Statements that are too many for a role's own inline policy.

IAM keeps five versions of a policy; here only the one in force is kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.account.documents import Document, canonical, policy
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity import PATH


@dataclass(frozen=True, eq=False)
class ManagedPolicy(Resource):
    """A policy with a name of its own, for roles to have attached.

    Its purpose is written when it is made and never again: IAM cannot change it.
    """

    purpose: str
    statements: tuple[Document, ...]

    kind = "policy"
    guarded = True
    permissions = (
        Permission(
            ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions", "iam:CreatePolicy",
             "iam:TagPolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion",
             "iam:DeletePolicy"),
            ("arn:{partition}:iam::{account}:policy/sales-forecasting/{prefix}-*",),
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("iam", f"policy{PATH}{self.name}", region="")

    def desired(self, ids: Ids) -> Settings:
        """What it allows."""
        return {"document": policy(*self.statements)}

    def find(self) -> Live | None:
        """Find it by its name."""
        iam = self.aws.client("iam")
        answer = read(iam.get_policy, PolicyArn=self.arn)
        if answer is None:
            return None
        found = answer["Policy"]
        version = read(
            iam.get_policy_version, PolicyArn=self.arn, VersionId=found["DefaultVersionId"]
        )
        return version and Live(
            self.arn,
            {"document": canonical(version["PolicyVersion"]["Document"])},
            from_tags(found.get("Tags")),
        )

    def create(self, desired: Settings) -> None:
        """Make it whole."""
        self.aws.client("iam").create_policy(
            PolicyName=self.name,
            Path=PATH,
            Description=self.purpose,
            PolicyDocument=json.dumps(desired["document"]),
            Tags=as_tags(self.aws.tags),
        )
        self.aws.wait("iam", "policy_exists", PolicyArn=self.arn)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Put a new version in force; the one before makes place first."""
        self._forget_versions()
        self.aws.client("iam").create_policy_version(
            PolicyArn=self.arn, PolicyDocument=json.dumps(desired["document"]), SetAsDefault=True
        )

    def _forget_versions(self) -> None:
        """Delete the versions that are not in force."""
        versions = self.aws.pages("iam", "list_policy_versions", "Versions", PolicyArn=self.arn)
        for version in versions:
            if not version["IsDefaultVersion"]:
                remove(
                    self.aws.client("iam").delete_policy_version,
                    PolicyArn=self.arn,
                    VersionId=version["VersionId"],
                )

    def delete(self, live: Live) -> None:
        """Delete it and its versions; no role of ours has it any more."""
        read(self._forget_versions)
        remove(self.aws.client("iam").delete_policy, PolicyArn=self.arn)
