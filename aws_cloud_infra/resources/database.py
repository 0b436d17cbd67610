"""The MySQL database on RDS: private, encrypted, backed up, with a password that nobody here knows.

Takes subnets, a security group and sizes, gives an address. RDS makes the master password, keeps
it in Secrets Manager and changes it; it must not appear here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_cloud_infra.aws import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.errors import CannotChange, StillDeleting
from aws_cloud_infra.prices import HOURS
from aws_cloud_infra.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.database_groups import (
    ENGINE,
    VERSION,
    DatabaseParameters,
    DatabaseSubnets,
)
from aws_cloud_infra.resources.security_groups import SecurityGroup

__all__ = ["Database", "DatabaseParameters", "DatabaseSubnets"]

_MASTER = "admin"
_LOGS = ["error"]
_MINUTES_BUSY = 45
"""How long a change may keep a database from taking the next one."""
_IN_USE = {"available", "backing-up", "configuring-log-exports", "storage-optimization"}
"""States in which it works as always; the last one lasts for hours after it has grown."""


@dataclass(frozen=True, eq=False)
class Database(Resource):
    """The server. What is changed of it is changed at once, not in the next maintenance window."""

    subnets: DatabaseSubnets
    group: SecurityGroup
    parameters: DatabaseParameters
    size: str
    storage_gb: int
    backup_days: int
    multi_az: bool
    final_snapshot: bool = True
    """Whether a snapshot stays when it is deleted."""

    kind = "database"
    protected = True
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
        """Server and disk, each twice with a second zone."""
        zones = 2 if self.multi_az else 1
        return (
            (f"rds {self.size}", zones * HOURS),
            ("rds gp3 GB", zones * self.storage_gb),
        )

    def desired(self, ids: Ids) -> Settings:
        """Everything that decides who reaches it, what it costs and what survives."""
        return {
            "status": "available",
            "engine": ENGINE,
            "version": VERSION,
            "master": _MASTER,
            "managed_password": True,
            "size": self.size,
            "storage_gb": self.storage_gb,
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
            "logs": _LOGS,
        }

    def find(self) -> Live | None:
        """Find it by its name. What AWS is about to change counts as changed."""
        answer = read(self.aws.client("rds").describe_db_instances, DBInstanceIdentifier=self.name)
        if not answer:
            return None
        (found,) = answer["DBInstances"]
        soon = {**found, **found.get("PendingModifiedValues", {})}
        status = found["DBInstanceStatus"]
        groups = found.get("VpcSecurityGroups", ())
        (parameters,) = found["DBParameterGroups"]
        restart = parameters.get("ParameterApplyStatus") == "pending-reboot"
        return Live(
            self.name,
            {
                "status": "available" if status in _IN_USE else status,
                "engine": found["Engine"],
                "version": ".".join(soon["EngineVersion"].split(".")[:2]),
                "master": found["MasterUsername"],
                "managed_password": "MasterUserSecret" in found,
                "size": soon["DBInstanceClass"],
                "storage_gb": soon["AllocatedStorage"],
                "storage_type": soon["StorageType"],
                "encrypted": found["StorageEncrypted"],
                "multi_az": soon["MultiAZ"],
                "subnets": found["DBSubnetGroup"]["DBSubnetGroupName"],
                "groups": sorted(
                    group["VpcSecurityGroupId"] for group in groups if group["Status"] != "removing"
                ),
                "parameters": parameters["DBParameterGroupName"],
                "public": found["PubliclyAccessible"],
                "backup_days": soon["BackupRetentionPeriod"],
                "tags_on_snapshots": found["CopyTagsToSnapshot"],
                "deletion_protection": found["DeletionProtection"],
                "minor_upgrades": found["AutoMinorVersionUpgrade"],
                "logs": _logs(soon),
            },
            from_tags(found["TagList"]),
            notes=("its parameters wait for a restart",) if restart else (),
            facts={"address": found.get("Endpoint", {}).get("Address", "")},
        )

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
            **_arguments(desired, _CHANGEABLE),
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
        arguments = _arguments(desired, changed & _CHANGEABLE.keys())
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
        has, wanted = live.settings["storage_gb"], desired["storage_gb"]
        if wanted < has:
            raise CannotChange(
                f"{self} has {has} GB of storage, which can only grow, not shrink to {wanted}. "
                f"Set database_storage_gb to {has} or more."
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


_CHANGEABLE: Mapping[str, str] = {
    "managed_password": "ManageMasterUserPassword",
    "size": "DBInstanceClass",
    "storage_gb": "AllocatedStorage",
    "storage_type": "StorageType",
    "multi_az": "MultiAZ",
    "groups": "VpcSecurityGroupIds",
    "parameters": "DBParameterGroupName",
    "public": "PubliclyAccessible",
    "backup_days": "BackupRetentionPeriod",
    "tags_on_snapshots": "CopyTagsToSnapshot",
    "deletion_protection": "DeletionProtection",
    "minor_upgrades": "AutoMinorVersionUpgrade",
}
"""Settings that are called the same in ModifyDBInstance as in CreateDBInstance."""


def _arguments(desired: Settings, names: Any) -> dict[str, Any]:
    return {_CHANGEABLE[name]: desired[name] for name in names}


def _logs(found: Mapping[str, Any]) -> list[str]:
    pending = found.get("PendingCloudwatchLogsExports", {})
    now = set(found.get("EnabledCloudwatchLogsExports", ()))
    on, off = pending.get("LogTypesToEnable", ()), pending.get("LogTypesToDisable", ())
    return sorted((now | set(on)) - set(off))
