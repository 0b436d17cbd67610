"""Who may do what: roles and their policies, the instance profile, GitHub's identity provider.

Policies are written out as documents; what anybody adds to a role beside them is taken away.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.aws import as_tags, from_tags, read, remove
from aws_cloud_infra.documents import Document, canonical, policy
from aws_cloud_infra.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.policies import PATH, ManagedPolicy

GITHUB = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
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


@dataclass(frozen=True, eq=False)
class InstanceProfile(Resource):
    """What hands a role to an instance."""

    role: Role

    kind = "instance profile"
    permissions = (
        Permission(
            ("iam:GetInstanceProfile", "iam:CreateInstanceProfile", "iam:TagInstanceProfile",
             "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
             "iam:DeleteInstanceProfile"),
            ("arn:{partition}:iam::{account}:instance-profile/sales-forecasting/{name}",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{prefix}-*",),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """It holds one role."""
        return {"role": self.role.name}

    def find(self) -> Live | None:
        """Find it by its name."""
        answer = read(self.aws.client("iam").get_instance_profile, InstanceProfileName=self.name)
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        roles = [role["RoleName"] for role in profile["Roles"]]
        settings = {"role": roles[0] if roles else None}
        return Live(profile["Arn"], settings, from_tags(profile.get("Tags")))

    def create(self, desired: Settings) -> None:
        """Make it empty."""
        self.aws.client("iam").create_instance_profile(
            InstanceProfileName=self.name, Path=PATH, Tags=as_tags(self.aws.tags)
        )
        self.aws.wait("iam", "instance_profile_exists", InstanceProfileName=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Exchange the role."""
        self._empty(live)
        self.aws.client("iam").add_role_to_instance_profile(
            InstanceProfileName=self.name, RoleName=desired["role"]
        )

    def _empty(self, live: Live) -> None:
        if live.settings["role"]:
            remove(
                self.aws.client("iam").remove_role_from_instance_profile,
                InstanceProfileName=self.name,
                RoleName=live.settings["role"],
            )

    def delete(self, live: Live) -> None:
        """Empty it and delete it."""
        self._empty(live)
        remove(self.aws.client("iam").delete_instance_profile, InstanceProfileName=self.name)


@dataclass(frozen=True, eq=False)
class GithubIdentity(Resource):
    """The identity provider through which GitHub's pipelines log in: one an account, for all.

    One that somebody else made is used as it is and never deleted.
    """

    kind = "identity provider"
    fixed = frozenset({"audiences"})
    permissions = (
        Permission(
            ("iam:GetOpenIDConnectProvider", "iam:CreateOpenIDConnectProvider",
             "iam:TagOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"),
            (f"arn:{{partition}}:iam::{{account}}:oidc-provider/{GITHUB}",),
        ),
        Permission(("iam:ListRoles",)),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("iam", f"oidc-provider/{GITHUB}", region="")

    def desired(self, ids: Ids) -> Settings:
        """GitHub's tokens are made out to AWS's token service."""
        return {"audiences": [_AUDIENCE]}

    def find(self) -> Live | None:
        """Find it by its URL. It serves all environments, so it carries the tags of none."""
        answer = read(
            self.aws.client("iam").get_open_id_connect_provider,
            OpenIDConnectProviderArn=self.arn,
        )
        return answer and Live(
            self.arn,
            {"audiences": [item for item in answer["ClientIDList"] if item == _AUDIENCE]},
            None,
            notes=() if self._made_here(answer) else ("somebody else made it: used as it is",),
        )

    def _made_here(self, answer: dict[str, Any]) -> bool:
        tags = from_tags(answer.get("Tags"))
        return tags.get("ManagedBy") == self.aws.tags["ManagedBy"]

    def create(self, desired: Settings) -> None:
        """Make it; AWS checks GitHub's certificate by itself."""
        self.aws.client("iam").create_open_id_connect_provider(
            Url=f"https://{GITHUB}",
            ClientIDList=desired["audiences"],
            Tags=as_tags({"ManagedBy": self.aws.tags["ManagedBy"]}),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Never called: what it has is fixed."""

    def spared(self, live: Live) -> str:
        """Leave it where somebody else made it, or another environment logs in through it."""
        if live.notes:
            return live.notes[0]
        roles = self.aws.pages("iam", "list_roles", "Roles", PathPrefix=PATH)
        others = [
            role["RoleName"]
            for role in roles
            if GITHUB in str(role["AssumeRolePolicyDocument"])
            and not role["RoleName"].startswith(f"{self.aws.prefix}-")
        ]
        return f"{others[0]} logs in through it" if others else ""

    def delete(self, live: Live) -> None:
        """Delete it."""
        remove(
            self.aws.client("iam").delete_open_id_connect_provider,
            OpenIDConnectProviderArn=live.id,
        )
