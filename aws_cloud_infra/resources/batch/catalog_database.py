"""A database of the Glue catalog: where Athena finds tables. It holds no data."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings


@dataclass(frozen=True, eq=False)
class CatalogDatabase(Resource):
    """A name for tables, without dashes, which Athena's SQL does not take."""

    purpose: str

    kind = "catalog database"
    permissions = (
        Permission(
            ("glue:GetDatabase", "glue:GetTags", "glue:CreateDatabase", "glue:TagResource",
             "glue:UpdateDatabase", "glue:DeleteDatabase"),
            ("arn:{partition}:glue:{region}:{account}:catalog",
             "arn:{partition}:glue:{region}:{account}:database/{name}",
             # To delete it is to delete these, too.
             "arn:{partition}:glue:{region}:{account}:table/{name}/*",
             "arn:{partition}:glue:{region}:{account}:userDefinedFunction/{name}/*"),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """What it is for."""
        return {"purpose": self.purpose}

    def find(self) -> Live | None:
        """Find it by its name."""
        glue = self.aws.client("glue")
        answer = read(glue.get_database, Name=self.name)
        arn = self.aws.arn("glue", f"database/{self.name}")
        tags = answer and read(glue.get_tags, ResourceArn=arn)
        return tags and Live(
            self.name, {"purpose": answer["Database"].get("Description", "")}, tags["Tags"]
        )

    def create(self, desired: Settings) -> None:
        """Make it."""
        self.aws.client("glue").create_database(
            DatabaseInput=self._input(desired), Tags=self.aws.tags
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole."""
        self.aws.client("glue").update_database(Name=self.name, DatabaseInput=self._input(desired))

    def _input(self, desired: Settings) -> dict[str, str]:
        return {"Name": self.name, "Description": desired["purpose"]}

    def delete(self, live: Live) -> None:
        """Delete it, with tables that a hand has added."""
        remove(self.aws.client("glue").delete_database, Name=self.name)
