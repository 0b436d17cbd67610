"""What tries to get into a network and is turned away, written into a log group.

Takes a network, a log group and a role that may write into it. AWS changes no flow log, and nobody
but who destroys the stack may delete it: whoever wants to stay unseen would.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from aws_cloud_infra.account.clients import from_tags, remove
from aws_cloud_infra.account.errors import AwsRefused
from aws_cloud_infra.engine.resource import Ids, Live, Permission, Resource, Settings
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.network.ec2 import Ec2Resource, ec2_permissions
from aws_cloud_infra.resources.watching.log_group import LogGroup

WRITER = "vpc-flow-logs.amazonaws.com"


@dataclass(frozen=True, eq=False)
class FlowLog(Ec2Resource):
    """A record for each ten minutes, address and port; what was let in is in other logs."""

    vpc: Resource
    group: LogGroup
    role: Role

    kind = "flow log"
    type_name = "vpc-flow-log"
    fixed = frozenset({"vpc", "group", "role", "traffic"})
    permissions = (
        *ec2_permissions(("DescribeFlowLogs",), ("CreateFlowLogs",), ("DeleteFlowLogs",)),
        Permission(("logs:CreateLogDelivery", "logs:DeleteLogDelivery")),
        Permission(
            ("iam:PassRole",),
            ("arn:{partition}:iam::{account}:role/sales-forecasting/{role}",),
            {"StringEquals": {"iam:PassedToService": WRITER}},
        ),
    )

    def desired(self, ids: Ids) -> Settings:
        """What is refused, of all of the network."""
        return {
            "vpc": ids[self.vpc],
            "group": self.group.name,
            "role": self.role.arn,
            "traffic": "REJECT",
        }

    def find(self) -> Live | None:
        """Find it by its tags."""
        found = self.one("describe_flow_logs", "FlowLogs")
        if found is None:
            return None
        failed = found.get("DeliverLogsErrorMessage")
        return Live(
            found["FlowLogId"],
            {
                "vpc": found["ResourceId"],
                "group": found.get("LogGroupName"),
                "role": found.get("DeliverLogsPermissionArn"),
                "traffic": found["TrafficType"],
            },
            from_tags(found["Tags"]),
            notes=(f"nothing is written: {failed}",) if failed else (),
        )

    def create(self, desired: Settings) -> None:
        """Make it. Raises AwsRefused with what AWS says of the network."""
        answer = self.aws.client("ec2").create_flow_logs(
            ClientToken=uuid.uuid4().hex,  # so a second try makes no second one
            ResourceType="VPC",
            ResourceIds=[desired["vpc"]],
            TrafficType=desired["traffic"],
            LogGroupName=desired["group"],
            DeliverLogsPermissionArn=desired["role"],
            TagSpecifications=self.new_tags,
        )
        for item in answer.get("Unsuccessful", ()):
            raise AwsRefused(f"{self}: {item['Error']['Message']} Run it again in a minute.")

    def configure(self, live: Live, desired: Settings, changed: set[str]) -> None:
        """Never called: what it has is fixed."""

    def delete(self, live: Live) -> None:
        """Delete it; its log group stays."""
        remove(self.aws.client("ec2").delete_flow_logs, FlowLogIds=[live.id])
