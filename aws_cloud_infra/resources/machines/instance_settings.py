"""What EC2 tells of an instance, in the form of the settings that are wanted. Only reads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from aws_cloud_infra.account.clients import Aws, as_tags, from_tags, read
from aws_cloud_infra.account.packing import unpacked
from aws_cloud_infra.engine.resource import Live

ROOT = "/dev/xvda"
"""The root disk of Amazon Linux."""
DISK_TYPE = "gp3"
SHUTDOWN = "instanceInitiatedShutdownBehavior"


def described(aws: Aws, found: Mapping[str, Any], disk_gb: int) -> Live:
    """Return what EC2 tells of an instance; a disk that it does not show yet has `disk_gb`."""
    name = found["InstanceId"]
    metadata = found["MetadataOptions"]
    disk = _disk(aws, found, disk_gb)
    profile = association(aws, name).get("IamInstanceProfile", {})
    tags = from_tags(disk.get("Tags"))
    return Live(
        name,
        {
            "status": found["State"]["Name"],
            "type": found["InstanceType"],
            "subnet": found["SubnetId"],
            "groups": sorted(group["GroupId"] for group in _groups(found)),
            "profile": profile.get("Arn"),
            "profile_id": profile.get("Id"),
            "ssh_key": found.get("KeyName", ""),
            "metadata": {
                # The emulator leaves it out once another of these was changed.
                "endpoint": metadata.get("HttpEndpoint", "enabled"),
                "tokens": metadata.get("HttpTokens"),
                "hops": metadata.get("HttpPutResponseHopLimit"),
            },
            "shutdown": _attribute(aws, name, SHUTDOWN),
            "user_data": fingerprint(unpacked(base64.b64decode(_attribute(aws, name, "userData")))),
            "disk_gb": disk["Size"],
            "disk_type": disk["VolumeType"],
            "disk_encrypted": disk["Encrypted"],
            "disk_tags": {key: tags.get(key) for key in aws.tags},
        },
        from_tags(found["Tags"]),
        facts={
            "address": found.get("PrivateIpAddress", ""),
            "disk": disk.get("VolumeId", ""),
            "started": found["LaunchTime"].isoformat(),
        },
    )


def association(aws: Aws, name: str) -> dict[str, Any]:
    """Return how the profile hangs on it; the instance itself may tell the last but one."""
    answer = aws.client("ec2").describe_iam_instance_profile_associations(
        Filters=[
            {"Name": "instance-id", "Values": [name]},
            {"Name": "state", "Values": ["associating", "associated"]},
        ]
    )
    found = answer["IamInstanceProfileAssociations"]
    return found[0] if found else {}


def fingerprint(text: bytes) -> str:
    """Return what stands for user data in a plan, which would be too long to show."""
    return hashlib.sha256(text).hexdigest()


def _groups(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    (first, *_) = found["NetworkInterfaces"]
    return list(first["Groups"])


def _attribute(aws: Aws, name: str, attribute: str) -> str:
    answer = aws.client("ec2").describe_instance_attribute(InstanceId=name, Attribute=attribute)
    return str(answer.get(attribute[0].upper() + attribute[1:], {}).get("Value", ""))


def _disk(aws: Aws, found: Mapping[str, Any], disk_gb: int) -> dict[str, Any]:
    volumes = [
        disk["Ebs"]["VolumeId"]
        for disk in found["BlockDeviceMappings"]
        if disk["DeviceName"] == ROOT
    ]
    answer = volumes and read(aws.client("ec2").describe_volumes, VolumeIds=volumes)
    if answer:
        return dict(answer["Volumes"][0])
    # For a moment, while the instance is being made: it will be what was asked for.
    wanted = {"Size": disk_gb, "VolumeType": DISK_TYPE, "Encrypted": True}
    return {**wanted, "Tags": as_tags(aws.tags)}
