"""Deliveries in the bucket: checked, staged by Spark, and loaded by a job of the service.

Takes the bucket and what is shared; makes nothing unless `delivery_layout` says what deliveries are
of. A manifest that arrives calls the function `delivered`, which starts the job of Glue; its end
calls `staged`, which starts the loader; no clock and no machine of ours stands between them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.documents import Document, allow, trust
from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.account.packing import zipped
from aws_cloud_infra.engine.resource import Resource
from aws_cloud_infra.engine.stack import Part
from aws_cloud_infra.resources.batch.bucket_events import BucketEvents
from aws_cloud_infra.resources.batch.bucket_file import BucketFile
from aws_cloud_infra.resources.batch.catalog_database import CatalogDatabase
from aws_cloud_infra.resources.batch.catalog_table import CatalogTable
from aws_cloud_infra.resources.batch.function import Function
from aws_cloud_infra.resources.batch.glue_job import GlueJob
from aws_cloud_infra.resources.containers.task_definition import CONTAINER
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.identity import PATH
from aws_cloud_infra.resources.identity.role import Role
from aws_cloud_infra.resources.references import FromId
from aws_cloud_infra.resources.watching.alarm import Alarm, Formula, Metric
from aws_cloud_infra.resources.watching.event_rule import EventRule
from aws_cloud_infra.resources.watching.log_group import LogGroup
from aws_cloud_infra.stacks.shared import RAW, STAGED, Shared

_SCRIPTS = Path(__file__).parents[2] / "pipelines" / "glue"
_DAYS = (
    "Store", "DayOfWeek", "Date", "Sales", "Customers", "Open", "Promo", "StateHoliday",
    "SchoolHoliday",
)  # fmt: skip
_CONDITIONS = (
    "Store", "Date", "Temperature", "Fuel_Price", "MarkDown1", "MarkDown2", "MarkDown3",
    "MarkDown4", "MarkDown5", "CPI", "Unemployment", "IsHoliday",
)  # fmt: skip
TABLES = {
    "departments": {
        "train": ("Store", "Dept", "Date", "Weekly_Sales", "IsHoliday"),
        "features": _CONDITIONS,
        "stores": ("Store", "Type", "Size"),
    },
    "daily": {
        "train": _DAYS,
        "store": ("Store", "StoreType", "Assortment", "CompetitionDistance"),
    },
}
"""Columns of the tables of a layout, in the order of the public files."""


def deliveries(aws: Aws, shared: Shared, bucket: Bucket) -> Part:
    """Return what takes deliveries, if there are to be any. Raises InfraError without the scripts.

    The cluster and the loader's task are those of the serving stack, by their names: before it is
    there, a delivery is staged and the alarm says that no loader could be started.
    """
    layout = aws.settings.delivery_layout
    made = _takers(aws, shared, bucket, layout, _script) if layout else ()
    ever = (_takers(aws, shared, bucket, layout, lambda _: b"") for layout in TABLES)
    return Part.of(made, (item for takers in ever for item in takers))


def _takers(
    aws: Aws, shared: Shared, bucket: Bucket, layout: str, script_of: Callable[[str], bytes]
) -> tuple[Resource, ...]:
    folder = f"/{aws.settings.project}/{aws.settings.environment}/deliveries"
    said, spark = (LogGroup(aws, f"{folder}/{log}", aws.settings.log_days, gb_a_month=0.1)
                   for log in ("output", "error"))  # fmt: skip
    runs = trust("lambda.amazonaws.com")
    script = BucketFile(aws, "code/stage.py", bucket, script_of("stage.py"))
    job_role = Role(
        aws, f"{aws.prefix}-stage", "What the job of Glue may do: read deliveries, stage them",
        trust("glue.amazonaws.com", StringEquals={"aws:SourceAccount": aws.account}),
        _may_stage(bucket, script, said, spark),
    )  # fmt: skip
    job = GlueJob(
        aws, f"{aws.prefix}-stage", "Checks a delivery and stages it for the loader",
        script, job_role, folder,
    )  # fmt: skip
    code = zipped("checks.py", script_of("checks.py"))
    delivered = Function(
        aws, f"{aws.prefix}-delivered", "Starts the job if a delivery is whole", code,
        "checks.delivered",
        Role(
            aws, f"{aws.prefix}-delivered", "What the function may do: read, start the job", runs,
            (*_may_read(bucket, RAW), allow("glue:StartJobRun", job.arn), _may_log(said)),
        ),
        said, {"JOB": job.name}, "s3", bucket.arn,
    )  # fmt: skip
    staged = Function(
        aws, f"{aws.prefix}-staged", "Starts the loader if every row is staged", code,
        "checks.staged",
        Role(
            aws, f"{aws.prefix}-staged", "What the function may do: read, start the loader", runs,
            (*_may_read(bucket, RAW, STAGED), allow("glue:GetJobRun", job.arn), *_may_load(aws),
             _may_log(said)),
        ),
        said, {"TASK": _loader(aws, shared, layout)},
        "events", aws.arn("events", f"rule/{aws.prefix}-staged"),
    )  # fmt: skip
    catalog = CatalogDatabase(aws, aws.catalog, f"Deliveries of {aws.prefix}, as they came")
    return (
        said, spark, script, job_role, job, delivered.role, delivered, staged.role, staged,
        BucketEvents(aws, bucket.name, bucket, delivered, f"{RAW}/", "/manifest.json"),
        EventRule(
            aws, f"{aws.prefix}-staged", staged, "A delivery is staged.", _job_is(job, "SUCCEEDED")
        ),
        *_watch(aws, shared, job, delivered, staged), catalog,
        *(
            CatalogTable(aws, table, catalog, columns, "delivery", f"s3://{bucket.name}/{RAW}")
            for table, columns in TABLES[layout].items()
        ),
    )  # fmt: skip


def _script(name: str) -> bytes:
    try:
        return (_SCRIPTS / name).read_bytes()
    except OSError as error:
        raise InfraError(
            f"{_SCRIPTS / name} cannot be read: {error.strerror}. Deploy from a copy of the "
            "repository."
        ) from None


def _may_log(*groups: LogGroup) -> Document:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return allow(actions, [f"{group.arn}:*" for group in groups])


def _may_read(bucket: Bucket, *folders: str) -> tuple[Document, ...]:
    prefixes = [f"{folder}/*" for folder in folders]
    return (
        allow("s3:GetObject", [f"{bucket.arn}/{prefix}" for prefix in prefixes]),
        allow("s3:ListBucket", bucket.arn, Condition={"StringLike": {"s3:prefix": prefixes}}),
    )


def _may_stage(
    bucket: Bucket, script: BucketFile, said: LogGroup, spark: LogGroup
) -> tuple[Document, ...]:
    # Hadoop asks for a folder with and without its slash, and may put a marker beside it.
    listed = {"StringLike": {"s3:prefix": [f"{RAW}*", f"{STAGED}*"]}}
    return (
        allow("s3:GetObject", [f"{bucket.arn}/{script.name}", f"{bucket.arn}/{RAW}/*"]),
        allow(
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            f"{bucket.arn}/{STAGED}*",
        ),
        allow("s3:ListBucket", bucket.arn, Condition=listed),
        allow("s3:GetBucketLocation", bucket.arn),  # it asks where to look
        _may_log(said, spark),
        # It asks for its groups to be made, also where they are there.
        allow("logs:CreateLogGroup", [f"{group.arn}:*" for group in (said, spark)]),
    )


def _may_load(aws: Aws) -> tuple[Document, ...]:
    cluster = {"ArnEquals": {"ecs:cluster": aws.arn("ecs", f"cluster/{aws.prefix}")}}
    tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    weekly = aws.arn("ecs", f"task-definition/{aws.prefix}-weekly")
    roles = [
        aws.arn("iam", f"role{PATH}{aws.prefix}-{name}", region="") for name in ("execution", "job")
    ]
    return (
        allow("ecs:RunTask", [weekly, f"{weekly}:*"], Condition=cluster),
        allow("iam:PassRole", roles, Condition=tasks),
    )


def _loader(aws: Aws, shared: Shared, layout: str) -> dict[str, object]:
    """Return what ECS is asked to run, but for the folder: what the weekly job is run as."""
    network = shared.network
    command = ["python", "database_loader.py", "--layout", layout, "--csv"]
    return {
        "cluster": aws.prefix,
        "taskDefinition": f"{aws.prefix}-weekly",
        "launchType": "FARGATE",
        "startedBy": "delivery",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": [FromId(subnet) for subnet in network.public],
                "securityGroups": [FromId(network.service_group)],
                "assignPublicIp": "ENABLED",
            }
        },
        "overrides": {"containerOverrides": [{"name": CONTAINER, "command": command}]},
    }


def _job_is(job: GlueJob, *states: str) -> dict[str, object]:
    return {
        "source": ["aws.glue"],
        "detail-type": ["Glue Job State Change"],
        "detail": {"jobName": [job.name], "state": list(states)},
    }


def _watch(
    aws: Aws, shared: Shared, job: GlueJob, delivered: Function, staged: Function
) -> tuple[Resource, ...]:
    """Return what tells that a delivery did not get to the loader; its own task is watched."""
    failed = {
        name: Metric("AWS/Lambda", "Errors", "Sum", {"FunctionName": function.name})
        for name, function in {"delivered": delivered, "staged": staged}.items()
    }
    return (
        EventRule(
            aws, f"{aws.prefix}-not-staged", shared.topic, "A delivery could not be staged.",
            _job_is(job, "FAILED", "STOPPED", "TIMEOUT"),
            {"why": "$.detail.message", "run": "$.detail.jobRunId"},
            "A delivery of " + aws.prefix + " could not be staged: <why> Run <run>. What to do: "
            "docs/operate.md, A delivery was refused.",
        ),
        Alarm(
            aws, f"{aws.prefix}-delivery-refused", shared.topic,
            "A delivery was refused before or after it was staged: its log says why.",
            Formula("FILL(delivered, 0) + FILL(staged, 0)", failed), 0, "GreaterThanThreshold",
            periods=1, period_seconds=60, missing="notBreaching",
        ),
    )  # fmt: skip
