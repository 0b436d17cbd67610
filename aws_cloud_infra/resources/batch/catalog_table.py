"""A table of the Glue catalog over CSV files of a bucket, without a crawler.

Takes columns, which are known, and where the files of a partition lie, which follows from its name:
so nothing has to look for them, and Athena reads no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cloud_infra.account.clients import read, remove
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.batch.catalog_database import CatalogDatabase

_SERDE = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


@dataclass(frozen=True, eq=False)
class CatalogTable(Resource):
    """A table whose cells are texts, as they were delivered."""

    database: CatalogDatabase
    columns: tuple[str, ...]
    partition: str
    """The one column that a query must give a value of."""
    folder: str
    """In a bucket, such as "s3://BUCKET/raw"; in it lies a folder a partition, a table in that."""

    kind = "catalog table"
    permissions = (
        Permission(
            ("glue:GetTable", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"),
            ("arn:{partition}:glue:{region}:{account}:catalog",
             "arn:{partition}:glue:{region}:{account}:database/{catalog}",
             "arn:{partition}:glue:{region}:{account}:table/{catalog}/{name}"),
        ),
    )  # fmt: skip

    def desired(self, ids: Ids) -> Settings:
        """Its columns, and what tells Athena where they are."""
        by = f"projection.{self.partition}.type"
        template = f"{self.folder}/${{{self.partition}}}/{self.name}/"
        return {
            "columns": [column.lower() for column in self.columns],
            "partition": self.partition,
            "folder": f"{self.folder}/",
            "formats": [_INPUT, _OUTPUT, _SERDE],
            "parameters": {
                "projection.enabled": "true",
                by: "injected",
                "skip.header.line.count": "1",
                "storage.location.template": template,
            },
        }

    def find(self) -> Live | None:
        """Find it by its name, if its database is there. Its tags are those of the database."""
        answer = read(
            self.aws.client("glue").get_table, DatabaseName=self.database.name, Name=self.name
        )
        if answer is None:
            return None
        table = answer["Table"]
        stored: dict[str, Any] = table.get("StorageDescriptor", {})
        parameters, keys = table.get("Parameters", {}), table.get("PartitionKeys", ())
        formats = (
            stored.get("InputFormat"), stored.get("OutputFormat"),
            stored.get("SerdeInfo", {}).get("SerializationLibrary"),
        )  # fmt: skip
        return Live(
            f"{self.database.name}.{self.name}",
            {
                "columns": [column["Name"] for column in stored.get("Columns", ())],
                "partition": ",".join(key["Name"] for key in keys),
                "folder": stored.get("Location"),
                "formats": list(formats),
                # Athena adds some of its own.
                "parameters": {
                    name: value for name, value in parameters.items()
                    if name.startswith(("projection.", "skip.", "storage."))
                },
            },
            None,
        )  # fmt: skip

    def create(self, desired: Settings) -> None:
        """Make it."""
        self.aws.client("glue").create_table(
            DatabaseName=self.database.name, TableInput=self._input(desired)
        )

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Write it whole."""
        self.aws.client("glue").update_table(
            DatabaseName=self.database.name, TableInput=self._input(desired)
        )

    def _input(self, desired: Settings) -> dict[str, Any]:
        reads, writes, serde = desired["formats"]
        return {
            "Name": self.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", **desired["parameters"]},
            "PartitionKeys": [{"Name": desired["partition"], "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": "string"} for name in desired["columns"]],
                "Location": desired["folder"],
                "InputFormat": reads,
                "OutputFormat": writes,
                "SerdeInfo": {"SerializationLibrary": serde},
            },
        }

    def delete(self, live: Live) -> None:
        """Delete it; the files stay."""
        remove(
            self.aws.client("glue").delete_table, DatabaseName=self.database.name, Name=self.name
        )
