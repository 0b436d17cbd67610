"""Secrets. A generated value goes from AWS to AWS: it must never be returned, compared or shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.account.documents import canonical
from aws_cloud_infra.account.errors import NotOurs
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings

_OWN_KEY = "alias/aws/secretsmanager"
_LENGTH = 40


@dataclass(frozen=True, eq=False)
class Secret(Resource):
    """A secret: its value is made here once if `generated`, else written by somebody else."""

    purpose: str
    generated: bool

    kind = "secret"
    permissions = (
        Permission(
            ("secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
             "secretsmanager:CreateSecret", "secretsmanager:TagResource",
             "secretsmanager:RestoreSecret", "secretsmanager:UpdateSecret",
             "secretsmanager:PutSecretValue", "secretsmanager:DeleteResourcePolicy",
             "secretsmanager:DeleteSecret"),
            # AWS asks for the bare name as long as it does not exist.
            ("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}",
             "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"),
        ),
        Permission(("secretsmanager:GetRandomPassword",)),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """A pattern for policies, known before it exists: AWS adds six letters of its own."""
        return self.aws.arn("secretsmanager", f"secret:{self.name}-??????")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """One secret."""
        return (("secret", 1),)

    def desired(self, ids: Ids) -> Settings:
        """Shared with nobody, encrypted with the key that every role of the account may use."""
        settings = {"purpose": self.purpose, "key": None, "shared": None}
        return {**settings, "has_value": True} if self.generated else settings

    def find(self) -> Live | None:
        """Find it by its name; one that is to be deleted in some days is gone."""
        client = self.aws.client("secretsmanager")
        found = read(client.describe_secret, SecretId=self.name)
        if found is None or found.get("DeletedDate"):
            return None
        shared = read(client.get_resource_policy, SecretId=self.name)
        if shared is None:
            return None
        key = found.get("KmsKeyId")
        settings: Settings = {
            "purpose": found.get("Description", ""),
            "key": None if key is None or key.endswith(_OWN_KEY) else key,
            "shared": canonical(shared["ResourcePolicy"]) if "ResourcePolicy" in shared else None,
        }
        stages = found.get("VersionIdsToStages", {}).values()
        has_value = any("AWSCURRENT" in labels for labels in stages)
        if self.generated:
            settings["has_value"] = has_value
        notes = () if has_value else (f"has no value yet: {self.purpose}",)
        return Live(found["ARN"], settings, from_tags(found.get("Tags")), notes)

    def create(self, desired: Settings) -> None:
        """Make it without a value, or take it back if it is only marked for deletion."""
        client = self.aws.client("secretsmanager")
        found = read(client.describe_secret, SecretId=self.name)
        if found is None:
            # For some seconds after its deletion the name is still taken.
            patiently(
                client.create_secret,
                "scheduled for deletion",
                Name=self.name,
                Description=desired["purpose"],
                Tags=as_tags(self.aws.tags),
            )
        elif not self.aws.owns(from_tags(found.get("Tags"))):
            raise NotOurs(
                f"{self}: one of this name without our tags waits for its deletion. Delete it at "
                "once, or give the project or environment another name."
            )
        else:
            client.restore_secret(SecretId=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write what describes it, stop sharing it, and give it a value if it has none."""
        client = self.aws.client("secretsmanager")
        written: dict[str, Any] = {}
        if "purpose" in changed:
            written["Description"] = desired["purpose"]
        if "key" in changed:
            written["KmsKeyId"] = _OWN_KEY
        if written:
            client.update_secret(SecretId=live.id, **written)
        if "shared" in changed:
            client.delete_resource_policy(SecretId=live.id)
        if "has_value" in changed:
            made = client.get_random_password(PasswordLength=_LENGTH, ExcludePunctuation=True)
            client.put_secret_value(SecretId=live.id, SecretString=made["RandomPassword"])

    def delete(self, live: Live) -> None:
        """Delete it for good, so that its name is free."""
        remove(
            self.aws.client("secretsmanager").delete_secret,
            SecretId=live.id,
            ForceDeleteWithoutRecovery=True,
        )
