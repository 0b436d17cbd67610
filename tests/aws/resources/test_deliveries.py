"""What takes deliveries on an emulated account: functions, job, catalog, and what calls them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aws_cloud_infra.account import packing
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import InfraError
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.resources.batch.bucket_events import BucketEvents
from aws_cloud_infra.resources.batch.bucket_file import BucketFile
from aws_cloud_infra.resources.batch.catalog_database import CatalogDatabase
from aws_cloud_infra.resources.batch.catalog_table import CatalogTable
from aws_cloud_infra.resources.batch.function import Function
from aws_cloud_infra.resources.batch.glue_job import GlueJob
from aws_cloud_infra.stacks import both, deliveries
from sales_forecast.data.files import daily, departments
from tests.aws.account import DELIVERIES, Account
from tests.aws.lifecycle import Drift, check_life, quietly

BUCKET = "sales-forecast-production-mlflow-123456789012"
CATALOG = "sales_forecast_production"
KINDS = (BucketFile, GlueJob, Function, BucketEvents, CatalogDatabase, CatalogTable)


def taken(aws: Aws) -> Sequence[Resource]:
    """Return one of each kind that only takes deliveries."""
    settings = aws.settings.model_copy(update=dict(DELIVERIES))
    told = Aws(settings, aws._session)
    one_of_each = {type(item): item for item in reversed(both(told)[1].own)}
    return [one_of_each[kind] for kind in KINDS]


@pytest.fixture
def bucket(account: Account) -> Account:
    """An account in which the bucket is, and the roles."""
    tracking = both(account.aws(**DELIVERIES))[1]
    apply(plan([item for item in tracking.own if item.kind in {"bucket", "role"}]), quietly)
    return account


def configured(setting: str, **changes: Any) -> Drift:
    return Drift(
        Function,
        setting,
        lambda aws, live: aws.client("lambda").update_function_configuration(
            FunctionName=live.id, **changes
        ),
        "delivered",
    )


def other_role(aws: Aws, live: Live) -> None:
    role = aws.arn("iam", f"role/sales-forecasting/{aws.prefix}-mlflow", region="")
    aws.client("lambda").update_function_configuration(FunctionName=live.id, Role=role)


def other_code(aws: Aws, live: Live) -> None:
    code = packing.zipped("checks.py", b"def delivered(*_): ...")
    aws.client("lambda").update_function_code(FunctionName=live.id, ZipFile=code)


def anybody_may_call(aws: Aws, live: Live) -> None:
    aws.client("lambda").add_permission(
        FunctionName=live.id, StatementId="all", Action="lambda:InvokeFunction", Principal="*"
    )


def the_bucket_may_not_call(aws: Aws, live: Live) -> None:
    aws.client("lambda").remove_permission(FunctionName=live.id, StatementId="s3")


def job(setting: str, **changes: Any) -> Drift:
    def change(aws: Aws, live: Live) -> None:
        glue = aws.client("glue")
        found = glue.get_job(JobName=live.id)["Job"]
        kept = {
            name: found[name]
            for name in (
                "Description", "Role", "Command", "DefaultArguments", "GlueVersion", "WorkerType",
                "NumberOfWorkers", "Timeout", "MaxRetries", "ExecutionProperty",
            )
        }  # fmt: skip
        glue.update_job(JobName=live.id, JobUpdate={**kept, **changes})

    return Drift(GlueJob, setting, change)


def table(setting: str, *path: str, value: Any) -> Drift:
    def change(aws: Aws, live: Live) -> None:
        glue = aws.client("glue")
        found = glue.get_table(DatabaseName=CATALOG, Name="train")["Table"]
        kept = {name: found[name] for name in (
            "Name", "TableType", "Parameters", "PartitionKeys", "StorageDescriptor")}  # fmt: skip
        within = kept
        for name in path[:-1]:
            within = within[name]
        within[path[-1]] = value
        glue.update_table(DatabaseName=CATALOG, TableInput=kept)

    return Drift(CatalogTable, setting, change, "train")


def another_queue_is_told(aws: Aws, live: Live) -> None:
    told = {"Id": "mine", "QueueArn": aws.arn("sqs", "mine"), "Events": ["s3:ObjectCreated:*"]}
    aws.client("sqs").create_queue(QueueName="mine")
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=live.id, NotificationConfiguration={"QueueConfigurations": [told]}
    )


COMMAND = {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": f"s3://{BUCKET}/mine.py"}
DRIFTS = [
    Drift(BucketFile, "sha256", lambda aws, live: aws.client("s3").put_object(
        Bucket=BUCKET, Key="code/stage.py", Body=b"mine", ChecksumAlgorithm="SHA256")),
    Drift(BucketFile, "sha256", lambda aws, live: aws.client("s3").put_object(
        Bucket=BUCKET, Key="code/stage.py", Body=b"mine", ChecksumAlgorithm="CRC32")),
    Drift(BucketEvents, "called", another_queue_is_told),
    configured("purpose", Description="mine"), configured("runtime", Runtime="python3.9"),
    configured("handler", Handler="checks.before"), configured("seconds", Timeout=3),
    configured("memory_mb", MemorySize=128),
    configured("environment", Environment={"Variables": {"JOB": "mine"}}),
    configured("log_group", LoggingConfig={"LogGroup": "/mine"}),
    Drift(Function, "role", other_role), Drift(Function, "code", other_code),
    Drift(Function, "called_by", anybody_may_call, "delivered"),
    Drift(Function, "called_by", the_bucket_may_not_call, "delivered"),
    job("purpose", Description="mine"),
    job("role", Role="arn:aws:iam::123456789012:role/mine"),
    job("command", Command=COMMAND), job("arguments", DefaultArguments={}),
    job("version", GlueVersion="5.0"), job("worker", WorkerType="G.2X"),
    job("workers", NumberOfWorkers=10), job("minutes", Timeout=2880),
    job("retries", MaxRetries=3), job("at_once", ExecutionProperty={"MaxConcurrentRuns": 5}),
    Drift(CatalogDatabase, "purpose", lambda aws, live: aws.client("glue").update_database(
        Name=live.id, DatabaseInput={"Name": live.id, "Description": "mine"})),
    table("columns", "StorageDescriptor", "Columns", value=[{"Name": "a", "Type": "string"}]),
    table("partition", "PartitionKeys", value=[]),
    table("folder", "StorageDescriptor", "Location", value="s3://mine/"),
    table("formats", "StorageDescriptor", "SerdeInfo", value={"SerializationLibrary": "mine"}),
    table("parameters", "Parameters", value={"skip.header.line.count": "0"}),
]  # fmt: skip


def test_what_takes_deliveries_is_made_healed_and_removed(bucket: Account) -> None:
    check_life(bucket, taken, DRIFTS)


def test_nothing_takes_deliveries_unless_it_is_said_of_what(account: Account) -> None:
    def kinds(**settings: Any) -> set[str]:
        return {item.kind for item in both(account.aws(**settings))[1].own}

    assert {"function", "Glue job", "bucket events"} <= kinds(**DELIVERIES) - kinds()


def test_without_the_scripts_it_says_where_to_deploy_from(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(deliveries, "_SCRIPTS", tmp_path)
    with pytest.raises(InfraError, match=r"stage.py cannot be read: No such .* the repository"):
        both(account.aws(**DELIVERIES))


def test_equal_files_make_equal_code_whatever_the_clock_and_zlib_say() -> None:
    code = packing.zipped("checks.py", b"pass\n")
    assert (
        "2a51797d63a79ab513ae40b98e151b7f23d4e1c59ee2b8f4f5dc9f9ceba5560e"
        == hashlib.sha256(code).hexdigest()
    )
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        (file,) = archive.infolist()
        assert b"pass\n" == archive.read("checks.py")
    assert 0o644 == file.external_attr >> 16, "Lambda reads it as another user"


@pytest.mark.parametrize(
    ("layout", "columns"),
    [
        ("departments", {"train": departments._SALES, "features": departments._CONDITIONS,
                         "stores": departments._STORES}),
        ("daily", {"train": daily._SALES, "store": daily._STORES}),
    ],
)  # fmt: skip
def test_the_catalog_has_the_columns_of_the_layout(
    layout: str, columns: dict[str, tuple[str, ...]]
) -> None:
    assert {table: set(names) for table, names in columns.items()} == {
        table: set(names) for table, names in deliveries.TABLES[layout].items()
    }
