"""Parameters of a database server that are not as RDS has them."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.data.database_engine import Engine


@dataclass(frozen=True, eq=False)
class DatabaseParameters(Resource):
    """Parameters of the server that are not as RDS has them; only ones that need no restart."""

    engine: Engine

    kind = "database parameters"
    fixed = frozenset({"family"})
    permissions = (
        Permission(
            ("rds:DescribeDBParameterGroups", "rds:DescribeDBParameters",
             "rds:ListTagsForResource", "rds:CreateDBParameterGroup", "rds:AddTagsToResource",
             "rds:ModifyDBParameterGroup", "rds:DeleteDBParameterGroup"),
            ("arn:{partition}:rds:{region}:{account}:pg:{name}",),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """The parameters that are ours to decide."""
        return {"family": self.engine.family, "parameters": dict(self.engine.parameters)}

    def find(self) -> Live | None:
        """Find it by its name."""
        rds = self.aws.client("rds")
        answer = read(rds.describe_db_parameter_groups, DBParameterGroupName=self.name)
        if not answer or not answer["DBParameterGroups"]:  # the emulator returns an empty list
            return None
        (found,) = answer["DBParameterGroups"]
        set_here = {
            item["ParameterName"]: item.get("ParameterValue")
            for item in self.aws.pages(
                "rds", "describe_db_parameters", "Parameters",
                DBParameterGroupName=self.name, Source="user",
            )
        }  # fmt: skip
        others = sorted(set_here.keys() - self.engine.parameters.keys())
        tags = rds.list_tags_for_resource(ResourceName=found["DBParameterGroupArn"])["TagList"]
        return Live(
            self.name,
            {
                "family": found["DBParameterGroupFamily"],
                "parameters": {name: set_here.get(name) for name in self.engine.parameters},
            },
            from_tags(tags),
            notes=(f"somebody also set {', '.join(others)}: left so",) if others else (),
        )

    def create(self, desired: Settings) -> None:
        """Make it with everything as RDS has it."""
        self.aws.client("rds").create_db_parameter_group(
            DBParameterGroupName=self.name,
            DBParameterGroupFamily=desired["family"],
            Description=f"Parameters of {self.aws.prefix}",
            Tags=as_tags(self.aws.tags),
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Set the parameters; the server takes them on at once."""
        self.aws.client("rds").modify_db_parameter_group(
            DBParameterGroupName=self.name,
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
                for name, value in desired["parameters"].items()
            ],
        )

    def delete(self, live: Live) -> None:
        """Delete it, once no database uses it."""
        patiently(
            lambda: remove(
                self.aws.client("rds").delete_db_parameter_group, DBParameterGroupName=self.name
            ),
            "InvalidDBParameterGroupState",
            minutes=10,
        )
