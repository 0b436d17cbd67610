"""GitHub's identity provider, through which a pipeline logs in without keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import as_tags, from_tags, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity import PATH

GITHUB = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, eq=False)
class GithubIdentity(Resource):
    """The identity provider through which GitHub's pipelines log in: one an account, for all.

    One that somebody else made is used as it is and never deleted.
    """

    kind = "identity provider"
    guarded = True
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
