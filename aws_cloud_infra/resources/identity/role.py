"""Who may do what. What anybody adds to a role beside its policies is taken away."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.account.documents import Document, canonical, policy
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity import PATH
from aws_cloud_infra.resources.identity.managed_policy import ManagedPolicy

_INLINE = "what-it-needs"


@dataclass(frozen=True, eq=False)
class Role(Resource):
    """A role: whom it trusts and the statements of what it may do.

    They are its own inline policy; beside it only the policies named here are attached.
    """

    purpose: str
    trust: Document
    statements: tuple[Document, ...]
    attached: tuple[ManagedPolicy, ...] = ()

    kind = "role"
    guarded = True
    permissions = (
        Permission(
            ("iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy",
             "iam:ListAttachedRolePolicies", "iam:CreateRole", "iam:TagRole",
             "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:PutRolePolicy",
             "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRole"),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{prefix}-*",),
        ),
        Permission(
            ("iam:AttachRolePolicy",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{prefix}-*",),
            {
                "ArnLike": {
                    "iam:PolicyARN":
                        "arn:{partition}:iam::{account}:policy/sales-forecasting/{prefix}-*"
                }
            },
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("iam", f"role{PATH}{self.name}", region="")

    def desired(self, ids: Ids) -> Settings:
        """Everything that decides what it may do."""
        return {
            "purpose": self.purpose,
            "trust": canonical(self.trust),
            "policies": {_INLINE: policy(*self.statements)} if self.statements else {},
            "attached": sorted(ids[item] for item in self.attached),
            "session_seconds": 3600,
        }

    def find(self) -> Live | None:
        """Find it by its name."""
        iam = self.aws.client("iam")
        answer = read(iam.get_role, RoleName=self.name)
        if answer is None:
            return None
        role = answer["Role"]
        inline = self.aws.pages("iam", "list_role_policies", "PolicyNames", RoleName=self.name)
        attached = self.aws.pages(
            "iam", "list_attached_role_policies", "AttachedPolicies", RoleName=self.name
        )
        return Live(
            role["Arn"],
            {
                "purpose": role.get("Description", ""),
                "trust": canonical(role["AssumeRolePolicyDocument"]),
                "policies": {
                    name: canonical(
                        iam.get_role_policy(RoleName=self.name, PolicyName=name)["PolicyDocument"]
                    )
                    for name in inline
                },
                "attached": sorted(item["PolicyArn"] for item in attached),
                "session_seconds": role["MaxSessionDuration"],
            },
            from_tags(role.get("Tags")),
        )

    def create(self, desired: Settings) -> None:
        """Make it with its trust; it may do nothing yet."""
        self.aws.client("iam").create_role(
            RoleName=self.name,
            Path=PATH,
            Description=desired["purpose"],
            AssumeRolePolicyDocument=json.dumps(desired["trust"]),
            MaxSessionDuration=desired["session_seconds"],
            Tags=as_tags(self.aws.tags),
        )
        self.aws.wait("iam", "role_exists", RoleName=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write trust and policy, and take away what was added beside them."""
        iam = self.aws.client("iam")
        if changed & {"purpose", "session_seconds"}:
            iam.update_role(
                RoleName=self.name,
                Description=desired["purpose"],
                MaxSessionDuration=desired["session_seconds"],
            )
        if "trust" in changed:
            iam.update_assume_role_policy(
                RoleName=self.name, PolicyDocument=json.dumps(desired["trust"])
            )
        if "policies" in changed:
            for name in live.settings["policies"].keys() - desired["policies"].keys():
                remove(iam.delete_role_policy, RoleName=self.name, PolicyName=name)
            for name, wanted in desired["policies"].items():
                iam.put_role_policy(
                    RoleName=self.name, PolicyName=name, PolicyDocument=json.dumps(wanted)
                )
        if "attached" in changed:
            self._detach(live, spare=desired["attached"])
            for arn in set(desired["attached"]) - set(live.settings["attached"]):
                iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)

    def _detach(self, live: Live, spare: Collection[str] = ()) -> None:
        for arn in set(live.settings["attached"]) - set(spare):
            remove(self.aws.client("iam").detach_role_policy, RoleName=self.name, PolicyArn=arn)

    def delete(self, live: Live) -> None:
        """Empty it and delete it."""
        iam = self.aws.client("iam")
        self._detach(live)
        for name in live.settings["policies"]:
            remove(iam.delete_role_policy, RoleName=self.name, PolicyName=name)
        remove(iam.delete_role, RoleName=self.name)
