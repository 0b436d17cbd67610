"""What both stacks stand on: the network, the two values that one leaves for the other, the topic.

Takes the account at hand, gives resources. Each stack ensures them; who is destroyed last
removes them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import allow, trust
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Part
from aws_cloud_infra.resources.data.database_engine import ENGINES
from aws_cloud_infra.resources.data.parameter import Parameter
from aws_cloud_infra.resources.data.secret import Secret
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.network.ec2 import EVERYWHERE
from aws_cloud_infra.resources.network.existing_subnet import ExistingSubnet
from aws_cloud_infra.resources.network.existing_vpc import ExistingVpc
from aws_cloud_infra.resources.network.internet_gateway import InternetGateway
from aws_cloud_infra.resources.network.route_table import RouteTable
from aws_cloud_infra.resources.network.security_group import ANYTHING_OUT, SecurityGroup
from aws_cloud_infra.resources.network.subnet import Subnet
from aws_cloud_infra.resources.network.vpc import Vpc
from aws_cloud_infra.resources.network.zone import Zone
from aws_cloud_infra.resources.watching.budget import Budget
from aws_cloud_infra.resources.watching.flow_log import WRITER, FlowLog
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.resources.watching.topic import Topic

SERVICE_PORT = 8000
MLFLOW_PORT = 5000
MODEL = {"MODEL_URI": "models:/Sales-Forecasting@champion", "VAR_DIR": "/app/var"}
"""What tells a task which model to use, and where it may write."""
ADMIN, READER = "admin", "reader"
"""Who may ask MLflow: as its host makes them."""
SERVICE_LOGIN = "service"
"""As whom the service asks the database: as MLflow's host makes it, or a person elsewhere."""
LOADS = "loads"
"""Where in the bucket sales lie that a job is to load."""
RAW, STAGED = "raw", "staged"
"""Where in the bucket deliveries lie, and what the job of Glue made of them."""


def namespace(aws: Aws) -> str:
    """Return where in CloudWatch the metrics of the weekly job are."""
    return aws.prefix


@dataclass(frozen=True)
class Network:
    """Where things live and who may talk to whom."""

    vpc: Resource
    public: tuple[Resource, ...]
    private: tuple[Resource, ...]
    way_out: tuple[Resource, ...]
    """What must be there before anything can reach the internet."""
    balancer_group: SecurityGroup
    service_group: SecurityGroup
    mlflow_group: SecurityGroup
    database_group: SecurityGroup
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Shared:
    """The network, what one stack leaves for the other, and who is told of trouble."""

    network: Network
    database_url: Secret
    """For who makes the tables: the jobs."""
    service_database_url: Secret
    """For who reads them, and keeps answers and overrides: the service."""
    database_ca: Parameter
    tracking_uri: Parameter
    mlflow_admin: Secret
    """The password of who may change what MLflow has: the jobs, and people."""
    mlflow_reader: Secret
    """That of the service."""
    topic: Topic
    budget: Part
    """Where somebody is to be told."""

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All of it."""
        return (
            *self.network.resources, self.topic, *self.budget.made, self.database_url,
            self.service_database_url, self.database_ca, self.tracking_uri, self.mlflow_admin,
            self.mlflow_reader,
        )  # fmt: skip


def shared(aws: Aws) -> Shared:
    """Return what both stacks need."""
    dollars, email = aws.settings.budget_dollars, aws.settings.alarm_email
    budget = Budget(aws, aws.prefix, dollars or 0, email or "")
    folder = f"/{aws.settings.project}/{aws.settings.environment}"
    return Shared(
        topic=Topic(aws, f"{aws.prefix}-alarms", email),
        budget=Part.of((budget,) if dollars and email else (), (budget,)),
        network=_network(aws),
        database_url=_database_url(aws, "database-url", "the jobs"),
        service_database_url=_database_url(
            aws, "service-database-url", f"the service, as user {SERVICE_LOGIN}"
        ),
        database_ca=Parameter(
            aws,
            f"{folder}/database-ca",
            "DATABASE_CA of the service and its jobs: the MLflow host writes it at its first start",
            value=None,
            initial="-",
            long=True,
        ),
        tracking_uri=Parameter(
            aws,
            f"{folder}/mlflow-tracking-uri",
            "MLFLOW_TRACKING_URI of the service and its jobs: the MLflow stack writes it",
            value=None,
            initial="sqlite:///var/mlflow.db",
        ),
        mlflow_admin=_password(aws, ADMIN, "the jobs"),
        mlflow_reader=_password(aws, READER, "the service"),
    )


def _database_url(aws: Aws, name: str, whose: str) -> Secret:
    purpose = (
        f"DATABASE_URL of {whose}: the MLflow host writes it at its first start, or put your own"
    )
    return Secret(aws, f"{aws.prefix}-{name}", purpose, generated=False)


def _password(aws: Aws, user: str, whose: str) -> Secret:
    purpose = f"MLFLOW_TRACKING_PASSWORD of {whose}, as user {user}"
    return Secret(aws, f"{aws.prefix}-mlflow-{user}", purpose, generated=True)


def mlflow_login(user: str) -> dict[str, str]:
    """Return what tells a task as whom it asks MLflow."""
    return {"MLFLOW_TRACKING_USERNAME": user}


def bucket_name(aws: Aws) -> str:
    """Return the name of the bucket, which is unique in the world."""
    return f"{aws.prefix}-mlflow-{aws.account}"


def _refused(aws: Aws, vpc: Vpc) -> tuple[Resource, ...]:
    """Return what writes down who is turned away at the doors of a network."""
    folder = f"/{aws.settings.project}/{aws.settings.environment}"
    group = LogGroup(aws, f"{folder}/refused", aws.settings.log_days, gb_a_month=0.2)
    role = Role(
        aws, f"{aws.prefix}-flow-log", "Lets the network write down what it refuses",
        trust(WRITER, StringEquals={"aws:SourceAccount": aws.account}),
        (
            # It may not make the group: one that was just deleted would come back.
            allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                  f"{group.arn}:*"),
            allow("logs:DescribeLogGroups", "*"),  # AWS knows no narrower one
        ),
    )  # fmt: skip
    return group, role, FlowLog(aws, aws.prefix, vpc, group, role)


def _network(aws: Aws) -> Network:
    if aws.settings.vpc_id:
        vpc: Resource = ExistingVpc(aws, aws.settings.vpc_id)
        public, private = (
            tuple[Resource, ...](ExistingSubnet(aws, name, vpc) for name in names)
            for names in (aws.settings.public_subnet_ids, aws.settings.private_subnet_ids)
        )
        way_out: tuple[Resource, ...] = ()
        made: tuple[Resource, ...] = (vpc, *public, *private)
    else:
        vpc = Vpc(aws, aws.prefix, aws.settings.vpc_cidr)
        zones = tuple(Zone(aws, name, index) for index, name in enumerate(("first", "second")))
        gateway = InternetGateway(aws, aws.prefix, vpc)
        ranges = list(ipaddress.IPv4Network(aws.settings.vpc_cidr).subnets(prefixlen_diff=2))
        public, private = (
            tuple[Resource, ...](
                Subnet(aws, f"{aws.prefix}-{kind}-{index + 1}", vpc, zone, str(part))
                for index, (zone, part) in enumerate(zip(zones, parts, strict=True))
            )
            for kind, parts in (("public", ranges[:2]), ("private", ranges[2:]))
        )
        way_out = (RouteTable(aws, f"{aws.prefix}-public", vpc, public, gateway),)
        made = (
            vpc, *zones, gateway, *public, *private, *way_out,
            RouteTable(aws, f"{aws.prefix}-private", vpc, private), *_refused(aws, vpc),
        )  # fmt: skip

    def group(name: str, purpose: str, *ingress: tuple[str, Resource | str]) -> SecurityGroup:
        out = () if name == "database" else ANYTHING_OUT
        return SecurityGroup(aws, f"{aws.prefix}-{name}", vpc, purpose, ingress, out)

    ports = (80, 443) if aws.settings.https else (80,)
    balancer = group(
        "balancer", "The only door to the world", *((f"tcp {port}", EVERYWHERE) for port in ports)
    )
    service = group("service", "Service and jobs", (f"tcp {SERVICE_PORT}", balancer))
    mlflow = group("mlflow", "MLflow host", (f"tcp {MLFLOW_PORT}", service))
    engine = ENGINES[aws.settings.database_engine]
    door = f"tcp {engine.port}"
    database = group("database", engine.title, (door, service), (door, mlflow))
    groups = (balancer, service, mlflow, database)
    return Network(vpc, public, private, way_out, *groups, resources=(*made, *groups))
