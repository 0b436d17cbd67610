"""The database on RDS, MySQL or PostgreSQL: private, backed up, with a password that nobody knows.

Takes subnets, a security group and sizes, gives an address. RDS makes the master password, keeps
it in Secrets Manager and changes it; it must not appear here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_cloud_infra.account.clients import as_tags, patiently, read, remove
from aws_cloud_infra.account.errors import CannotChange, StillDeleting
from aws_cloud_infra.account.prices import HOURS
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings, Within
from aws_cloud_infra.resources.data.database_parameters import DatabaseParameters
from aws_cloud_infra.resources.data.database_settings import CHANGEABLE, as_arguments, described
from aws_cloud_infra.resources.data.database_subnets import DatabaseSubnets
from aws_cloud_infra.resources.network.security_group import SecurityGroup

_MINUTES_BUSY = 45
"""How long a change may keep a database from taking the next one."""


@dataclass(frozen=True, eq=False)
class Database(Resource):
    """The server. What is changed of it is changed at once, not in the next maintenance window."""

    subnets: DatabaseSubnets
    group: SecurityGroup
    parameters: DatabaseParameters
    """They know which engine it is."""
    size: str
    storage_gb: int
    max_storage_gb: int
    """How far RDS lets it grow by itself."""
    backup_days: int
    multi_az: bool
    log_groups: tuple[Resource, ...]
    """Made before it: RDS would make them itself, kept for ever and left behind."""
    final_snapshot: bool = True
    """Whether a snapshot stays when it is deleted."""

    kind = "database"
    protected = True
    guarded = True
    fixed = frozenset({"engine", "version", "master", "subnets", "encrypted"})
    permissions = (
        Permission(
            ("rds:DescribeDBInstances", "rds:CreateDBInstance", "rds:AddTagsToResource",
             "rds:ModifyDBInstance", "rds:StartDBInstance", "rds:DeleteDBInstance"),
            ("arn:{partition}:rds:{region}:{account}:db:{name}",
             "arn:{partition}:rds:{region}:{account}:subgrp:{prefix}*",
             "arn:{partition}:rds:{region}:{account}:pg:{prefix}*",
             "arn:{partition}:rds:{region}:{account}:og:default*"),
        ),
        Permission(
            ("rds:CreateDBSnapshot", "rds:AddTagsToResource"),
            ("arn:{partition}:rds:{region}:{account}:db:{name}",
             "arn:{partition}:rds:{region}:{account}:snapshot:{name}-final-*"),
        ),
        # The master password, which RDS makes in the name of the caller.
        Permission(
            ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
            ("arn:{partition}:secretsmanager:{region}:{account}:secret:rds!db-*",),
        ),
        Permission(("kms:DescribeKey",), ("arn:{partition}:kms:{region}:{account}:key/*",)),
        Permission(
            ("iam:CreateServiceLinkedRole",),
            ("arn:{partition}:iam::{account}:role/aws-service-role/rds.amazonaws.com/*",),
            {"StringLike": {"iam:AWSServiceName": "rds.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def arn(self) -> str:
        """Known before it exists."""
        return self.aws.arn("rds", f"db:{self.name}")

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """Server and disk, each twice with a second zone, and where its password is."""
        zones = 2 if self.multi_az else 1
        return (
            (f"{self.parameters.engine.prices} {self.size}", zones * HOURS),
            ("secret", 1),  # the master password, which RDS keeps
            ("rds gp3 GB", zones * self.storage_gb),
        )

    def desired(self, ids: Ids) -> Settings:
        """Everything that decides who reaches it, what it costs and what survives."""
        engine = self.parameters.engine
        return {
            "status": "available",
            "engine": engine.name,
            "version": engine.version,
            "master": engine.master,
            "managed_password": True,
            "size": self.size,
            "storage_gb": Within(self.storage_gb, self.max_storage_gb),
            "max_storage_gb": self.max_storage_gb,
            "storage_type": "gp3",
            "encrypted": True,
            "multi_az": self.multi_az,
            "subnets": ids[self.subnets],
            "groups": [ids[self.group]],
            "parameters": ids[self.parameters],
            "public": False,
            "backup_days": self.backup_days,
            "tags_on_snapshots": True,
            "deletion_protection": True,
            "minor_upgrades": True,
            "logs": sorted(engine.logs),
        }

    def find(self) -> Live | None:
        """Find it by its name. What AWS is about to change counts as changed."""
        answer = read(self.aws.client("rds").describe_db_instances, DBInstanceIdentifier=self.name)
        if not answer:
            return None
        (found,) = answer["DBInstances"]
        return described(self.name, found)

    def create(self, desired: Settings) -> None:
        """Make it and wait until it is available: 5 to 15 minutes."""
        patiently(
            self.aws.client("rds").create_db_instance,
            "service linked role",  # the first database of an account: AWS still makes the role
            DBInstanceIdentifier=self.name,
            Engine=desired["engine"],
            EngineVersion=desired["version"],
            MasterUsername=desired["master"],
            DBSubnetGroupName=desired["subnets"],
            StorageEncrypted=desired["encrypted"],
            EnableCloudwatchLogsExports=desired["logs"],
            Tags=as_tags(self.aws.tags),
            **as_arguments(desired, CHANGEABLE),
        )
        self.aws.wait("rds", "db_instance_available", DBInstanceIdentifier=self.name)

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Start it or wait for it, then change it.

        Raises CannotChange where it would have to shrink, and StillDeleting.
        """
        self._refuse(live, desired)
        rds = self.aws.client("rds")
        if "status" in changed:
            self._get_ready(live)
        arguments = as_arguments(desired, changed & CHANGEABLE.keys())
        if "logs" in changed:
            arguments["CloudwatchLogsExportConfiguration"] = {
                "EnableLogTypes": sorted({*desired["logs"]} - {*live.settings["logs"]}),
                "DisableLogTypes": sorted({*live.settings["logs"]} - {*desired["logs"]}),
            }
        if arguments:
            self._modify(rds.modify_db_instance, ApplyImmediately=True, **arguments)
            self.aws.wait("rds", "db_instance_available", DBInstanceIdentifier=self.name)

    def _refuse(self, live: Live, desired: Settings) -> None:
        if live.settings["status"] == "deleting":
            raise StillDeleting(f"{self} is still being deleted. Run it again in some minutes.")
        has, most = live.settings["storage_gb"], desired["storage_gb"].high
        if most < has:
            raise CannotChange(
                f"{self} has {has} GB of storage, which can only grow, not shrink to {most}. "
                f"Set database_max_storage_gb to {has} or more."
            )

    def _get_ready(self, live: Live) -> None:
        if live.settings["status"] in {"stopped", "stopping"}:
            self._modify(self.aws.client("rds").start_db_instance)
        self.aws.wait("rds", "db_instance_available", DBInstanceIdentifier=self.name)

    def _modify(self, call: Callable[..., Any], **arguments: Any) -> None:
        """Make a call that AWS takes only when no other change is under way."""
        patiently(
            call,
            "InvalidDBInstanceState",
            minutes=_MINUTES_BUSY,
            DBInstanceIdentifier=self.name,
            **arguments,
        )

    def delete(self, live: Live) -> None:
        """Take its protection away, delete it, and wait until it is gone: 5 to 30 minutes."""
        if live.settings["status"] != "deleting":
            if live.settings["deletion_protection"]:
                self._unprotect(live)
            now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            snapshot = (
                {"FinalDBSnapshotIdentifier": f"{self.name}-final-{now}"}
                if self.final_snapshot
                else {"SkipFinalSnapshot": True}
            )
            patiently(
                lambda: self._modify(self._remove, **snapshot),
                "protect",  # AWS may take a moment to see that it is not protected any more
            )
        self.aws.wait("rds", "db_instance_deleted", DBInstanceIdentifier=self.name)

    def _unprotect(self, live: Live) -> None:
        if live.settings["status"] in {"stopped", "stopping"}:
            self._get_ready(live)  # one that is stopped cannot be changed
        self._modify(
            lambda **arguments: remove(self.aws.client("rds").modify_db_instance, **arguments),
            DeletionProtection=False,
            ApplyImmediately=True,
        )

    def _remove(self, **arguments: Any) -> None:
        remove(self.aws.client("rds").delete_db_instance, **arguments)


def log_group(database: str, log: str) -> str:
    """Return the name of the group that RDS sends a log of a database to."""
    return f"/aws/rds/instance/{database}/{log}"
