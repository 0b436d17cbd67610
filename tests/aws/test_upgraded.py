"""Both stacks as 0.5 made them, upgraded by today's `apply`: as made anew, and no data is lost.

What 0.5 sent to AWS was recorded once, with its own code: `made_by_0_5.jsonl` has a call a line, as
service, operation, parameters, and which names AWS gave in its answer. Left out are the pipeline's
policies and the user data, which hold nothing and are written anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import botocore
import jmespath

from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.plan import plan_stack
from aws_cloud_infra.stacks import both
from tests.aws.account import Account, Killed, Killer
from tests.aws.census import census, counts, without
from tests.aws.lifecycle import quietly, what_changes
from tests.aws.test_both_stacks import MADE

P = "sales-forecast-production"
RECORDED = Path(__file__).with_name("made_by_0_5.jsonl")
SALES = "mysql+pymysql://sales:of-0-5@db.example.com:3306/sales?ssl_check_hostname=false"


def make_as_0_5_did(session: boto3.Session) -> None:
    """Send again what 0.5 sent; each name that AWS gave then is the one that it gives now."""
    names: dict[str, str] = {}
    for line in RECORDED.read_text().splitlines():
        for then, now in names.items():
            line = line.replace(then, now)  # noqa: PLW2901
        service, operation, parameters, given = json.loads(line)
        call = getattr(session.client(service), botocore.xform_name(operation))
        answer = call(**parameters)
        for path, then in given.items():
            # The end of a name is what AWS makes up; some calls want no more of it.
            names[then.rpartition("/")[2]] = jmespath.search(path, answer).rpartition("/")[2]


def put_data(session: boto3.Session) -> None:
    """What people and the stack itself have put there since: URL, image, model, backup."""
    session.client("secretsmanager").put_secret_value(
        SecretId=f"{P}-database-url", SecretString=SALES
    )
    s3, bucket = _open_bucket(session)
    s3.put_object(Bucket=bucket, Key="artifacts/1/model", Body=b"learned")
    session.client("rds").create_db_snapshot(DBSnapshotIdentifier="mine", DBInstanceIdentifier=P)


def data(session: boto3.Session) -> Mapping[str, Any]:
    """Return what must not be lost, and by which name AWS knows what holds it."""
    secrets, rds = session.client("secretsmanager"), session.client("rds")
    s3, bucket = _open_bucket(session)
    (database,) = rds.describe_db_instances()["DBInstances"]
    return {
        **{
            name: secrets.get_secret_value(SecretId=f"{P}-{name}")["SecretString"]
            for name in ("database-url", "api-key")
        },
        "model": s3.get_object(Bucket=bucket, Key="artifacts/1/model")["Body"].read(),
        "database": (database["DbiResourceId"], database["MasterUserSecret"]["SecretArn"]),
        "storage": database["AllocatedStorage"],
        "snapshots": {item["DBSnapshotIdentifier"] for item in
                      rds.describe_db_snapshots()["DBSnapshots"]},
        "host": [item["InstanceId"]
                 for one in session.client("ec2").describe_instances()["Reservations"]
                 for item in one["Instances"]],
        "images": session.client("ecr").describe_repositories()["repositories"][0]["createdAt"],
    }  # fmt: skip


def _open_bucket(session: boto3.Session) -> tuple[Any, str]:
    """Return the bucket without its policy, by which the emulator lets nobody in."""
    s3, bucket = session.client("s3"), f"{P}-mlflow-123456789012"
    s3.delete_bucket_policy(Bucket=bucket)
    return s3, bucket


def test_it_is_as_made_anew_and_has_its_data(account: Account) -> None:
    session = account.session()
    baseline = census(session)
    make_as_0_5_did(session)
    put_data(session)
    before = data(session)
    # At first the process dies now and then: the next one goes on.
    dying = account.session()
    killer = Killer(dying)
    deaths = 0
    for left in (5, 15, 10_000):
        killer.aim(left, "after", writes_only=True)
        for stack in both(account.aws(dying))[::-1]:
            with suppress(Killed):
                apply(plan_stack(stack), quietly)
        deaths += bool(killer.died_at)
    killer.rest()
    assert 2 == deaths
    assert before == data(session)
    for stack in both(account.aws()):
        apply(plan_stack(stack), quietly)  # the policy of the bucket
        assert {} == what_changes(plan_stack(stack))
    found = without(census(session), baseline)
    del found["ec2 NetworkInterfaces"]
    more = {"rds DBSnapshots": 2, "ecs taskDefinitionArns": 4}  # a person's, the service's of 0.5
    assert {**MADE, **more} == counts(found)
