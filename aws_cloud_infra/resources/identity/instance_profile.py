"""What hands a role to an instance."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity import PATH
from aws_cloud_infra.resources.identity.role import Role


@dataclass(frozen=True, eq=False)
class InstanceProfile(Resource):
    """What hands a role to an instance."""

    role: Role

    kind = "instance profile"
    guarded = True
    permissions = (
        Permission(
            ("iam:GetInstanceProfile", "iam:CreateInstanceProfile", "iam:TagInstanceProfile",
             "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
             "iam:DeleteInstanceProfile"),
            ("arn:{partition}:iam::{account}:instance-profile/sales-forecasting/{name}",),
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
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
        facts = {"unique": profile["InstanceProfileId"]}
        return Live(profile["Arn"], settings, from_tags(profile.get("Tags")), facts=facts)

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
