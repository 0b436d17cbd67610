"""The machine that MLflow runs on: no SSH, no open port of its own, an encrypted disk.

Takes where it stands, who it is, and what it does at every start; gives its private address.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from aws_cloud_infra.account.clients import as_tags, patiently, remove
from aws_cloud_infra.account.errors import CannotChange
from aws_cloud_infra.account.packing import packed
from aws_cloud_infra.account.prices import HOURS
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.identity.instance_profile import InstanceProfile
from aws_cloud_infra.resources.machines.instance_settings import (
    DISK_TYPE,
    SHUTDOWN,
    association,
    described,
    fingerprint,
)
from aws_cloud_infra.resources.machines.launch import IMAGES, launched, metadata
from aws_cloud_infra.resources.network.ec2 import Ec2Resource, ec2_permissions
from aws_cloud_infra.resources.network.security_group import SecurityGroup

_THERE = ("pending", "running", "stopping", "stopped")
"""States of an instance that is not on its way out."""
_WHILE_STOPPED = {"type", "user_data", "disk_gb", "disk_type"}
"""What changes while it is stopped; a grown disk is taken into use when it starts."""


@dataclass(frozen=True, eq=False)
class Instance(Ec2Resource):
    """One instance of the newest Amazon Linux there was when it was made.

    A newer image later changes nothing: it puts newer packages in by itself. Changes of type, disk
    or user data stop it for a minute.
    """

    profile: InstanceProfile
    group: SecurityGroup
    subnet: Resource
    routes: tuple[Resource, ...]
    """The way out, over which it installs what it needs."""
    values: tuple[Resource, ...]
    """Secrets and parameters that it reads or writes when it starts."""
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
        Permission(  # what the host says of itself
            ("logs:FilterLogEvents",),
            ("arn:{partition}:logs:{region}:{account}:log-group:/{project}/{environment}/*",),
        ),
        Permission(("ec2:RunInstances",), ("arn:{partition}:ec2:{region}::image/*",)),
        Permission(
            ("ssm:GetParameter",), (f"arn:{{partition}}:ssm:{{region}}::parameter{IMAGES}/*",)
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
            # One that is made anew by its old name is another: the instance has no rights by it.
            "profile_id": ids.fact(self.profile, "unique"),
            "ssh_key": "",
            "metadata": {"endpoint": "enabled", "tokens": "required", "hops": 1},
            "shutdown": "stop",
            "user_data": fingerprint(self.user_data.encode()),
            "disk_gb": self.disk_gb,
            "disk_type": DISK_TYPE,
            "disk_encrypted": True,
            "disk_tags": self.aws.tags,
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_instances", "Reservations", **{"instance-state-name": [*_THERE]})
        if found is None:
            return None
        return described(self.aws, found, self.disk_gb)

    def create(self, desired: Settings) -> None:
        """Launch it and wait until it runs; what it installs then takes some minutes more."""
        name = launched(self, self.user_data, desired)
        self.aws.wait("ec2", "instance_running", InstanceIds=[name])

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
            ec2.modify_instance_metadata_options(InstanceId=live.id, **metadata(desired))
        if "shutdown" in changed:
            ec2.modify_instance_attribute(
                InstanceId=live.id, Attribute=SHUTDOWN, Value=desired["shutdown"]
            )
        if "disk_tags" in changed:
            ec2.create_tags(Resources=[live.facts["disk"]], Tags=as_tags(desired["disk_tags"]))
        if changed & {"profile", "profile_id"}:
            self._hang(live, desired["profile"])
        if changed & _WHILE_STOPPED:
            self._stop(live)
            self._change_stopped(live, desired, changed)
        if changed & {"status", *_WHILE_STOPPED}:
            self._start(live)

    def _hang(self, live: Live, profile: str) -> None:
        ec2 = self.aws.client("ec2")
        name = association(self.aws, live.id).get("AssociationId")
        where = {"AssociationId": name} if name else {"InstanceId": live.id}
        hang = (
            ec2.replace_iam_instance_profile_association
            if name
            else ec2.associate_iam_instance_profile
        )
        hang(IamInstanceProfile={"Arn": profile}, **where)

    def _change_stopped(self, live: Live, desired: Settings, changed: set[str]) -> None:
        ec2 = self.aws.client("ec2")
        if "type" in changed:
            ec2.modify_instance_attribute(
                InstanceId=live.id, InstanceType={"Value": desired["type"]}
            )
        if "user_data" in changed:
            text = base64.b64encode(packed(self.user_data)).decode()
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
