"""The MLflow stack: bucket, database and host; its name goes where the service reads it.

Takes the account at hand and what is shared, gives a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import Document, allow, trust
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.mlflow_host import user_data
from aws_cloud_infra.mlflow_host.answers import wait_for_answer
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.data.database import Database, log_group
from aws_cloud_infra.resources.data.database_engine import ENGINES
from aws_cloud_infra.resources.data.database_parameters import DatabaseParameters
from aws_cloud_infra.resources.data.database_subnets import DatabaseSubnets
from aws_cloud_infra.resources.identity.instance_profile import InstanceProfile
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.machines.host_name import HostName
from aws_cloud_infra.resources.machines.instance import Instance
from aws_cloud_infra.resources.machines.private_zone import PrivateZone
from aws_cloud_infra.resources.references import FromFact
from aws_cloud_infra.resources.watching.database_log_group import DatabaseLogGroup
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks.deliveries import deliveries
from aws_cloud_infra.stacks.shared import MLFLOW_PORT, Shared, bucket_name
from aws_cloud_infra.stacks.watch import data_watch


def mlflow(aws: Aws, shared: Shared, *, final_snapshot: bool) -> Stack:
    """Return the stack of the tracking server and the database that the service shares with it."""
    network, settings = shared.network, aws.settings
    engine = ENGINES[settings.database_engine]
    bucket = Bucket(aws, bucket_name(aws))
    logs = LogGroup(aws, f"/{settings.project}/{settings.environment}/mlflow", settings.log_days)
    subnets = DatabaseSubnets(aws, aws.prefix, network.private)
    parameters = DatabaseParameters(aws, aws.prefix, engine)
    database_logs = tuple(
        DatabaseLogGroup(aws, log_group(aws.prefix, log), settings.log_days) for log in engine.logs
    )
    database = Database(
        aws, aws.prefix, subnets, network.database_group, parameters, settings.database_class,
        settings.database_storage_gb,
        settings.database_max_storage_gb or 5 * settings.database_storage_gb,
        settings.database_backup_days, settings.database_multi_az, database_logs,
        final_snapshot=final_snapshot,
    )  # fmt: skip
    role = Role(
        aws, f"{aws.prefix}-mlflow", "What the MLflow host may do", trust("ec2.amazonaws.com"),
        _host_statements(aws, shared, bucket, logs, database),
    )  # fmt: skip
    profile = InstanceProfile(aws, f"{aws.prefix}-mlflow", role)
    host = Instance(
        aws, f"{aws.prefix}-mlflow", profile, network.mlflow_group, network.public[0],
        network.way_out,
        (shared.database_url, shared.service_database_url, shared.database_ca,
         shared.mlflow_admin, shared.mlflow_reader),
        bucket, logs,
        settings.instance_type, settings.instance_disk_gb,
        user_data(
            region=aws.region, bucket=bucket.name, database=database.name,
            secrets=aws.prefix, authorities=shared.database_ca.name,
            host_name=f"mlflow.{aws.prefix}.internal", log_group=logs.name,
        ),
    )  # fmt: skip
    zone = PrivateZone(aws, f"{aws.prefix}.internal", network.vpc)
    name = HostName(aws, f"mlflow.{zone.name}", zone, host)
    tracking_uri = replace(
        shared.tracking_uri, value=FromFact(name, "name", f"http://{{}}:{MLFLOW_PORT}")
    )
    taken = deliveries(aws, shared, bucket)
    own: tuple[Resource, ...] = (
        bucket, logs, *database_logs, subnets, parameters, database, role, profile, host,
        zone, name, *data_watch(aws, shared.topic, database, host),
        *taken.made,
    )  # fmt: skip

    def outputs(lives: Mapping[Resource, Live]) -> dict[str, str]:
        return {
            "mlflow_tracking_uri_parameter": tracking_uri.name,
            "instance": lives[host].id if host in lives else "",
            "bucket": bucket.name,
            "database": database.name,
        }

    def answers(lives: Mapping[Resource, Live], say: Callable[[str], None]) -> None:
        wait_for_answer(host, lives[host], logs, say)

    both = replace(shared, tracking_uri=tracking_uri).resources
    retired = (*shared.budget.retired, *taken.retired)
    return Stack("mlflow", both, own, outputs, retired, answers=answers)


def _host_statements(
    aws: Aws, shared: Shared, bucket: Bucket, logs: LogGroup, database: Database
) -> tuple[Document, ...]:
    database_arn = aws.arn("rds", f"db:{database.name}")
    return (
        allow("rds:DescribeDBInstances", database_arn),
        # The password that RDS made for this database and keeps changing: its name is not ours.
        allow(
            "secretsmanager:GetSecretValue",
            aws.arn("secretsmanager", "secret:rds!db-*"),
            Condition={
                "StringEquals": {
                    "secretsmanager:ResourceTag/aws:rds:primaryDBInstanceArn": database_arn
                }
            },
        ),
        allow(
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
            [shared.database_url.arn, shared.service_database_url.arn],
        ),
        allow(["ssm:GetParameter", "ssm:PutParameter"], shared.database_ca.arn),
        allow(
            "secretsmanager:GetSecretValue", [shared.mlflow_admin.arn, shared.mlflow_reader.arn]
        ),
        allow("s3:ListBucket", bucket.arn),
        allow(
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            f"{bucket.arn}/artifacts/*",
        ),
        allow(
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            f"{logs.arn}:*",
        ),
        # Session Manager instead of SSH; AWS knows no narrower resource for its channels.
        allow("ssm:UpdateInstanceInformation", aws.arn("ec2", "instance/*")),
        allow(
            ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
             "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"],
            "*",
        ),
    )  # fmt: skip
