"""The launch of an instance: the same request is the same instance, however often it is sent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from botocore.exceptions import ClientError

from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.account.packing import packed
from aws_cloud_infra.engine.resource import Settings
from aws_cloud_infra.resources.machines.instance_settings import ROOT
from aws_cloud_infra.resources.network.ec2 import Ec2Resource

IMAGES = "/aws/service/ami-amazon-linux-latest"
_IMAGE = f"{IMAGES}/al2023-ami-kernel-default-x86_64"
_MOST_LAUNCHES = 50


def launched(instance: Ec2Resource, user_data: str, desired: Settings) -> str:
    """Return the id of a new instance of the newest image. It may not run yet."""
    image = instance.aws.client("ssm").get_parameter(Name=_IMAGE)["Parameter"]["Value"]
    request = {
        "ImageId": image,
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceType": desired["type"],
        "IamInstanceProfile": {"Arn": desired["profile"]},
        "UserData": packed(user_data),
        "Monitoring": {"Enabled": False},
        "InstanceInitiatedShutdownBehavior": desired["shutdown"],
        "MetadataOptions": metadata(desired),
        "NetworkInterfaces": [{
            "DeviceIndex": 0,
            "SubnetId": desired["subnet"],
            "Groups": desired["groups"],
            "AssociatePublicIpAddress": True,
            "DeleteOnTermination": True,
        }],
        "BlockDeviceMappings": [{
            "DeviceName": ROOT,
            "Ebs": {
                "VolumeSize": desired["disk_gb"],
                "VolumeType": desired["disk_type"],
                "Encrypted": desired["disk_encrypted"],
                "DeleteOnTermination": True,
            },
        }],
        "TagSpecifications": [
            {**instance.new_tags[0], "ResourceType": what}
            for what in (instance.type_name, "volume", "network-interface")
        ],
    }  # fmt: skip
    return _launch(instance, request)


def _launch(instance: Ec2Resource, request: dict[str, Any]) -> str:
    """Return the instance of this request: the same one, however often it is asked for.

    AWS knows a request by its token, for a day after the instance was terminated, too: such
    a token is refused, and the next one taken.
    """
    call = instance.aws.client("ec2").run_instances
    for number in range(_MOST_LAUNCHES):
        text = json.dumps(
            [instance.name, instance.aws.tags, request, number], sort_keys=True, default=bytes.hex
        )
        token = hashlib.sha256(text.encode()).hexdigest()
        try:
            answer = call(ClientToken=token, **request)
        except ClientError as error:
            if "IdempotentInstanceTerminated" not in str(error):
                raise
        else:
            return str(answer["Instances"][0]["InstanceId"])
    raise AwsRefused(f"{instance} was made {_MOST_LAUNCHES} times in a day: try it tomorrow.")


def metadata(desired: Settings) -> dict[str, Any]:
    """Return how the instance may ask for its credentials, as the calls take it."""
    wanted = desired["metadata"]
    return {
        "HttpEndpoint": wanted["endpoint"],
        "HttpTokens": wanted["tokens"],
        "HttpPutResponseHopLimit": wanted["hops"],
    }
