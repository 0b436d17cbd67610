"""The machine that MLflow runs on: no SSH, no open port of its own, an encrypted disk.

Takes where it stands, who it is, and what it does at every start; gives its private address.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.aws import as_tags, from_tags, patiently, read, remove
from aws_cloud_infra.errors import AwsRefused, CannotChange
from aws_cloud_infra.prices import HOURS
from aws_cloud_infra.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity import InstanceProfile
from aws_cloud_infra.resources.network import Ec2Resource, ec2_permissions
from aws_cloud_infra.resources.security_groups import SecurityGroup
from aws_cloud_infra.resources.storage import Bucket

_IMAGES = "/aws/service/ami-amazon-linux-latest"
_IMAGE = f"{_IMAGES}/al2023-ami-kernel-default-x86_64"
_ROOT = "/dev/xvda"
"""The root disk of that image."""
_DISK_TYPE = "gp3"
_SHUTDOWN = "instanceInitiatedShutdownBehavior"
_THERE = ("pending", "running", "stopping", "stopped")
"""States of an instance that is not on its way out."""
_MOST_LAUNCHES = 50
_NEW_PROFILE = "Invalid IAM Instance Profile"
"""What EC2 says while it does not know a new profile yet."""
_WHILE_STOPPED = {"type", "user_data", "disk_gb", "disk_type"}
"""What changes while it is stopped; a grown disk is taken into use when it starts."""


@dataclass(frozen=True, eq=False)
class Instance(Ec2Resource):
    """One instance of the newest Amazon Linux there was when it was made.

    A newer image later changes nothing. Changes of type, disk or user data stop it for a minute.
    """

    profile: InstanceProfile
    group: SecurityGroup
    subnet: Resource
    routes: tuple[Resource, ...]
    """The way out, over which it installs what it needs."""
    secret: Resource
    bucket: Bucket
    log_group: Resource
    instance_type: str
    disk_gb: int
    user_data: str

    kind = "instance"
    type_name = "instance"
    fixed = frozenset({"subnet", "disk_encrypted", "ssh_key"})
    permissions = (
        *ec2_permissions(
            ("DescribeInstances", "DescribeInstanceAttribute", "DescribeVolumes",
             "DescribeIamInstanceProfileAssociations"),
            ("RunInstances",),
            ("StartInstances", "StopInstances", "TerminateInstances", "ModifyInstanceAttribute",
             "ModifyInstanceMetadataOptions", "ModifyVolume", "AssociateIamInstanceProfile",
             "ReplaceIamInstanceProfileAssociation"),
        ),
        Permission(("ec2:RunInstances",), ("arn:{partition}:ec2:{region}::image/*",)),
        Permission(
            ("ssm:GetParameter",), (f"arn:{{partition}}:ssm:{{region}}::parameter{_IMAGES}/*",)
        ),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{prefix}-*",),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    )  # fmt: skip

    @property
    def prices(self) -> tuple[tuple[str, float], ...]:
        """The machine, its disk, and its public address."""
        return (
            (f"ec2 {self.instance_type}", HOURS),
            ("ebs gp3 GB", self.disk_gb),
            ("public address hour", HOURS),
        )

    def desired(self, ids: Ids) -> Settings:
        """Everything that decides what it does and who reaches it."""
        return {
            "status": "running",
            "type": self.instance_type,
            "subnet": ids[self.subnet],
            "groups": [ids[self.group]],
            "profile": ids[self.profile],
            "ssh_key": "",
            "metadata": {"endpoint": "enabled", "tokens": "required", "hops": 1},
            "shutdown": "stop",
            "user_data": _fingerprint(self.user_data.encode()),
            "disk_gb": self.disk_gb,
            "disk_type": _DISK_TYPE,
            "disk_encrypted": True,
            "disk_tags": self.aws.tags,
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_instances", "Reservations", **{"instance-state-name": [*_THERE]})
        if found is None:
            return None
        name = found["InstanceId"]
        metadata = found["MetadataOptions"]
        disk = self._disk(found)
        tags = from_tags(disk.get("Tags"))
        return Live(
            name,
            {
                "status": found["State"]["Name"],
                "type": found["InstanceType"],
                "subnet": found["SubnetId"],
                "groups": sorted(group["GroupId"] for group in self._groups(found)),
                "profile": self._association(name).get("IamInstanceProfile", {}).get("Arn"),
                "ssh_key": found.get("KeyName", ""),
                "metadata": {
                    # The emulator leaves it out once another of these was changed.
                    "endpoint": metadata.get("HttpEndpoint", "enabled"),
                    "tokens": metadata.get("HttpTokens"),
                    "hops": metadata.get("HttpPutResponseHopLimit"),
                },
                "shutdown": self._attribute(name, _SHUTDOWN),
                "user_data": _fingerprint(base64.b64decode(self._attribute(name, "userData"))),
                "disk_gb": disk["Size"],
                "disk_type": disk["VolumeType"],
                "disk_encrypted": disk["Encrypted"],
                "disk_tags": {key: tags.get(key) for key in self.aws.tags},
            },
            from_tags(found["Tags"]),
            facts={"address": found.get("PrivateIpAddress", ""), "disk": disk.get("VolumeId", "")},
        )

    @staticmethod
    def _groups(found: dict[str, Any]) -> list[dict[str, Any]]:
        (first, *_) = found["NetworkInterfaces"]
        return list(first["Groups"])

    def _attribute(self, name: str, attribute: str) -> str:
        answer = self.aws.client("ec2").describe_instance_attribute(
            InstanceId=name, Attribute=attribute
        )
        return str(answer.get(attribute[0].upper() + attribute[1:], {}).get("Value", ""))

    def _disk(self, found: dict[str, Any]) -> dict[str, Any]:
        volumes = [
            disk["Ebs"]["VolumeId"]
            for disk in found["BlockDeviceMappings"]
            if disk["DeviceName"] == _ROOT
        ]
        answer = volumes and read(self.aws.client("ec2").describe_volumes, VolumeIds=volumes)
        if answer:
            return dict(answer["Volumes"][0])
        # For a moment, while the instance is being made: it will be what was asked for.
        wanted = {"Size": self.disk_gb, "VolumeType": _DISK_TYPE, "Encrypted": True}
        return {**wanted, "Tags": as_tags(self.aws.tags)}

    def _association(self, name: str) -> dict[str, Any]:
        """Return how the profile hangs on it; the instance itself may tell the last but one."""
        answer = self.aws.client("ec2").describe_iam_instance_profile_associations(
            Filters=[
                {"Name": "instance-id", "Values": [name]},
                {"Name": "state", "Values": ["associating", "associated"]},
            ]
        )
        found = answer["IamInstanceProfileAssociations"]
        return found[0] if found else {}

    def create(self, desired: Settings) -> None:
        """Launch it and wait until it runs; what it installs then takes some minutes more."""
        image = self.aws.client("ssm").get_parameter(Name=_IMAGE)["Parameter"]["Value"]
        request = {
            "ImageId": image,
            "MinCount": 1,
            "MaxCount": 1,
            "InstanceType": desired["type"],
            "IamInstanceProfile": {"Arn": desired["profile"]},
            "UserData": self.user_data,
            "Monitoring": {"Enabled": False},
            "InstanceInitiatedShutdownBehavior": desired["shutdown"],
            "MetadataOptions": _metadata(desired),
            "NetworkInterfaces": [{
                "DeviceIndex": 0,
                "SubnetId": desired["subnet"],
                "Groups": desired["groups"],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }],
            "BlockDeviceMappings": [{
                "DeviceName": _ROOT,
                "Ebs": {
                    "VolumeSize": desired["disk_gb"],
                    "VolumeType": desired["disk_type"],
                    "Encrypted": desired["disk_encrypted"],
                    "DeleteOnTermination": True,
                },
            }],
            "TagSpecifications": [
                {**self.new_tags[0], "ResourceType": what}
                for what in (self.type_name, "volume", "network-interface")
            ],
        }  # fmt: skip
        name = self._launch(request)
        self.aws.wait("ec2", "instance_running", InstanceIds=[name])

    def _launch(self, request: dict[str, Any]) -> str:
        """Return the instance of this request: the same one, however often it is asked for.

        AWS knows a request by its token, for a day after the instance was terminated, too: such
        a token is refused, and the next one taken.
        """
        call = self.aws.client("ec2").run_instances
        for number in range(_MOST_LAUNCHES):
            text = json.dumps([self.name, self.aws.tags, request, number], sort_keys=True)
            token = hashlib.sha256(text.encode()).hexdigest()
            try:
                answer = patiently(call, _NEW_PROFILE, ClientToken=token, **request)
            except ClientError as error:
                if "IdempotentInstanceTerminated" not in str(error):
                    raise
            else:
                return str(answer["Instances"][0]["InstanceId"])
        raise AwsRefused(f"{self} was made {_MOST_LAUNCHES} times in a day: try it tomorrow.")

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Change what can change while it runs, then the rest, and let it run.

        Raises CannotChange where the disk would have to shrink.
        """
        has, wanted = live.settings["disk_gb"], desired["disk_gb"]
        if wanted < has:
            raise CannotChange(
                f"{self} has a disk of {has} GB, which can only grow, not shrink to {wanted}. "
                f"Set instance_disk_gb to {has} or more."
            )
        ec2 = self.aws.client("ec2")
        if "groups" in changed:
            ec2.modify_instance_attribute(InstanceId=live.id, Groups=desired["groups"])
        if "metadata" in changed:
            ec2.modify_instance_metadata_options(InstanceId=live.id, **_metadata(desired))
        if "shutdown" in changed:
            ec2.modify_instance_attribute(
                InstanceId=live.id, Attribute=_SHUTDOWN, Value=desired["shutdown"]
            )
        if "disk_tags" in changed:
            ec2.create_tags(Resources=[live.facts["disk"]], Tags=as_tags(desired["disk_tags"]))
        if "profile" in changed:
            self._hang(live, desired["profile"])
        if changed & _WHILE_STOPPED:
            self._stop(live)
            self._change_stopped(live, desired, changed)
        if changed & {"status", *_WHILE_STOPPED}:
            self._start(live)

    def _hang(self, live: Live, profile: str) -> None:
        ec2 = self.aws.client("ec2")
        name = self._association(live.id).get("AssociationId")
        where = {"AssociationId": name} if name else {"InstanceId": live.id}
        patiently(
            ec2.replace_iam_instance_profile_association
            if name
            else ec2.associate_iam_instance_profile,
            _NEW_PROFILE,
            IamInstanceProfile={"Arn": profile},
            **where,
        )

    def _change_stopped(self, live: Live, desired: Settings, changed: set[str]) -> None:
        ec2 = self.aws.client("ec2")
        if "type" in changed:
            ec2.modify_instance_attribute(
                InstanceId=live.id, InstanceType={"Value": desired["type"]}
            )
        if "user_data" in changed:
            text = base64.b64encode(self.user_data.encode()).decode()
            ec2.modify_instance_attribute(InstanceId=live.id, Attribute="userData", Value=text)
        if changed & {"disk_gb", "disk_type"}:
            ec2.modify_volume(
                VolumeId=live.facts["disk"],
                Size=desired["disk_gb"],
                VolumeType=desired["disk_type"],
            )

    def _stop(self, live: Live) -> None:
        if live.settings["status"] == "pending":
            self.aws.wait("ec2", "instance_running", InstanceIds=[live.id])
        self.aws.client("ec2").stop_instances(InstanceIds=[live.id])
        self.aws.wait("ec2", "instance_stopped", InstanceIds=[live.id])

    def _start(self, live: Live) -> None:
        # One that is stopping cannot be started before it has stopped.
        patiently(
            self.aws.client("ec2").start_instances,
            "IncorrectInstanceState",
            minutes=10,
            InstanceIds=[live.id],
        )
        self.aws.wait("ec2", "instance_running", InstanceIds=[live.id])

    def delete(self, live: Live) -> None:
        """Terminate it, with its disk, and wait until its network interface is free."""
        remove(self.aws.client("ec2").terminate_instances, InstanceIds=[live.id])
        self.aws.wait("ec2", "instance_terminated", InstanceIds=[live.id])


def _fingerprint(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _metadata(desired: Settings) -> dict[str, Any]:
    wanted = desired["metadata"]
    return {
        "HttpEndpoint": wanted["endpoint"],
        "HttpTokens": wanted["tokens"],
        "HttpPutResponseHopLimit": wanted["hops"],
    }
