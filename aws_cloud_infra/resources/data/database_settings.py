"""Settings of a database, from the form in which RDS tells them to the form its calls take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cloud_infra.account.clients import from_tags
from aws_cloud_infra.engine.resource import Live, Settings, Within

_IN_USE = {"available", "backing-up", "configuring-log-exports", "storage-optimization"}
"""States in which it works as always; the last one lasts for hours after it has grown."""

CHANGEABLE: Mapping[str, str] = {
    "managed_password": "ManageMasterUserPassword",
    "size": "DBInstanceClass",
    "storage_gb": "AllocatedStorage",
    "max_storage_gb": "MaxAllocatedStorage",
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


def described(name: str, found: Mapping[str, Any]) -> Live:
    """Return what RDS tells of a server. What it is about to change counts as changed."""
    soon = {**found, **found.get("PendingModifiedValues", {})}
    status = found["DBInstanceStatus"]
    groups = found.get("VpcSecurityGroups", ())
    (parameters,) = found["DBParameterGroups"]
    restart = parameters.get("ParameterApplyStatus") == "pending-reboot"
    return Live(
        name,
        {
            "status": "available" if status in _IN_USE else status,
            "engine": found["Engine"],
            "version": _major(found["Engine"], soon["EngineVersion"]),
            "master": found["MasterUsername"],
            "managed_password": "MasterUserSecret" in found,
            "size": soon["DBInstanceClass"],
            "storage_gb": soon["AllocatedStorage"],
            # Left out where it does not grow by itself.
            "max_storage_gb": soon.get("MaxAllocatedStorage"),
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


def as_arguments(desired: Settings, names: Iterable[str]) -> dict[str, Any]:
    """Return some settings under the names that the calls have for them."""
    return {CHANGEABLE[name]: _least(desired[name]) for name in names}


def _major(engine: str, version: str) -> str:
    """Return a version without what RDS raises by itself: of PostgreSQL all but the first part."""
    return ".".join(version.split(".")[: 1 if engine == "postgres" else 2])


def _least(value: Any) -> Any:
    return value.low if isinstance(value, Within) else value


def _logs(found: Mapping[str, Any]) -> list[str]:
    pending = found.get("PendingCloudwatchLogsExports", {})
    now = set(found.get("EnabledCloudwatchLogsExports", ()))
    on, off = pending.get("LogTypesToEnable", ()), pending.get("LogTypesToDisable", ())
    return sorted((now | set(on)) - set(off))
