"""The bucket on an emulated account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest

from aws_cloud_infra.account import patience
from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.account.errors import AwsRefused, NotOurs
from aws_cloud_infra.engine.apply import apply
from aws_cloud_infra.engine.changes import Action
from aws_cloud_infra.engine.destroy import destroy, plan_destroy
from aws_cloud_infra.engine.plan import plan
from aws_cloud_infra.engine.resource import Live, Resource
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.resources.data import emptying
from aws_cloud_infra.resources.data.bucket import Bucket
from aws_cloud_infra.resources.data.log_bucket import LogBucket
from tests.aws.account import Account, answer_with, record
from tests.aws.lifecycle import NOBODY, Drift, check_life, quietly, what_changes
from tests.aws.resources.ground import die_after_each_write

NAME = "sales-forecast-production-mlflow-123456789012"


def bucket(aws: Aws) -> Sequence[Resource]:
    return [Bucket(aws, NAME)]


def _by(call: str, **arguments):
    return lambda aws, live: getattr(aws.client("s3"), call)(Bucket=live.id, **arguments)


def _opened(switch: str):
    def change(aws: Aws, live: Live) -> None:
        aws.client("s3").put_public_access_block(
            Bucket=live.id,
            PublicAccessBlockConfiguration={**live.settings["public_access_block"], switch: False},
        )

    return change


def _read_by_all(aws: Aws, live: Live) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    everything = {"Version": "2012-10-17", "Statement": {**statement, "Resource": f"{live.id}/*"}}
    everything["Statement"]["Resource"] = f"arn:aws:s3:::{live.id}/*"
    aws.client("s3").put_bucket_policy(Bucket=live.id, Policy=json.dumps(everything))


def _deletes_everything(aws: Aws, live: Live) -> None:
    rule = {"ID": "a-week", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 7}}
    aws.client("s3").put_bucket_lifecycle_configuration(
        Bucket=live.id, LifecycleConfiguration={"Rules": [rule]}
    )


def _fill(aws: Aws, live: Live) -> None:
    """Put versions, a delete marker and an unfinished upload into it, without the policy."""
    s3 = aws.client("s3")
    s3.delete_bucket_policy(Bucket=live.id)
    for number in range(3):
        s3.put_object(Bucket=live.id, Key="model", Body=str(number))
    s3.delete_object(Bucket=live.id, Key="model")
    s3.create_multipart_upload(Bucket=live.id, Key="large")


DRIFTS = [
    Drift(Bucket, "tags", _by("delete_bucket_tagging")),
    *(
        Drift(Bucket, f"public_access_block.{switch}", _opened(switch))
        for switch in (
            "BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"
        )
    ),
    Drift(Bucket, "public_access_block", _by("delete_public_access_block")),
    Drift(Bucket, "ownership", _by("delete_bucket_ownership_controls")),
    Drift(Bucket, "ownership", _by(
        "put_bucket_ownership_controls",
        OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})),
    Drift(Bucket, "encryption", _by("delete_bucket_encryption")),
    Drift(Bucket, "versioning", _by(
        "put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})),
    Drift(Bucket, "lifecycle", _by("delete_bucket_lifecycle")),
    Drift(Bucket, "lifecycle.a-week", _deletes_everything),
    Drift(Bucket, "policy", _by("delete_bucket_policy")),
    Drift(Bucket, "policy", _read_by_all),
    Drift(Bucket, "policy", _fill),
]  # fmt: skip


def log_bucket(aws: Aws) -> Sequence[Resource]:
    return [LogBucket(aws, NAME, 30)]


class OverTls(Account):
    """The emulator ignores conditions: to it the policy denies us what it allows over TLS.

    So it is lifted before the calls that the emulator would deny.
    """

    def session(self, region: str = "eu-central-1") -> boto3.Session:
        session = super().session(region)
        for call in ("DeleteObjects", "AbortMultipartUpload"):
            session.events.register(f"before-call.s3.{call}", self._lift)
        return session

    def _lift(self, **_: Any) -> None:
        super().session().client("s3").delete_bucket_policy(Bucket=NAME)


def test_a_bucket_is_made_healed_and_removed(account: Account) -> None:
    check_life(OverTls(account.url), bucket, DRIFTS)


def test_a_bucket_for_access_logs_is_made_healed_and_removed(account: Account) -> None:
    drifts = [replace(drift, kind=LogBucket) for drift in DRIFTS]
    check_life(OverTls(account.url), log_bucket, drifts)


def test_access_logs_are_written_by_load_balancers_of_this_account_alone_and_expire(
    account: Account,
) -> None:
    apply(plan(log_bucket(account.aws())), quietly)
    s3 = account.session().client("s3")
    _, lets_in = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    assert {
        "Sid": "LoadBalancersWrite",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{NAME}/AWSLogs/123456789012/*",
    } == lets_in
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=NAME)["Rules"]
    assert {"Days": 30} == rule["Expiration"]


def test_access_logs_are_no_data_and_go_though_one_more_comes_in(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience.time, "sleep", lambda _: None)
    site = OverTls(account.url)
    session = site.session()
    late = iter(["the last one"])

    def deliver(**_: Any) -> None:
        for text in late:
            site._lift()
            account.session().client("s3").put_object(Bucket=NAME, Key="AWSLogs/1", Body=text)

    session.events.register("before-call.s3.DeleteBucket", deliver)
    stack = Stack("this", (), tuple(log_bucket(site.aws(session))))
    apply(plan(stack.resources), quietly)
    destroy(plan_destroy(stack, NOBODY, include_data=False), quietly)
    assert [] == account.session().client("s3").list_buckets()["Buckets"]


def test_the_policy_denies_everything_to_everybody_who_comes_without_tls(account: Account) -> None:
    apply(plan(bucket(account.aws())), quietly)
    document = account.session().client("s3").get_bucket_policy(Bucket=NAME)["Policy"]
    assert {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        "Sid": "OverTlsOnly",
    } == json.loads(document)["Statement"][0]


def test_the_policy_is_written_last(account: Account) -> None:
    session = account.session()
    calls = record(session)
    apply(plan(bucket(account.aws(session))), quietly)
    assert calls.writes[0] == ("s3", "CreateBucket")
    assert calls.writes[-1] == ("s3", "PutBucketPolicy")


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_a_bucket_is_made_in_its_region(account: Account, region: str) -> None:
    aws = account.aws(region=region)
    apply(plan(bucket(aws)), quietly)
    answer = aws.client("s3").get_bucket_location(Bucket=NAME)
    assert answer["LocationConstraint"] == (None if region == "us-east-1" else region)
    assert what_changes(plan(bucket(aws))) == {}


def test_a_bucket_of_another_region_is_refused_and_the_region_named(account: Account) -> None:
    apply(plan(bucket(account.aws(region="eu-west-1"))), quietly)
    with pytest.raises(AwsRefused, match="exists in eu-west-1, not in eu-central-1"):
        plan(bucket(account.aws()))


def test_a_bucket_of_another_account_is_refused(account: Account) -> None:
    session = account.session()
    answer_with(session, "s3.HeadBucket", "403", "Forbidden", 403)
    with pytest.raises(NotOurs, match="another account has a bucket of this name"):
        plan(bucket(account.aws(session)))


def test_an_untagged_bucket_with_nothing_in_it_is_finished(account: Account) -> None:
    aws = account.aws()
    where = {"LocationConstraint": aws.region}
    aws.client("s3").create_bucket(Bucket=NAME, CreateBucketConfiguration=where)
    (change,) = plan(bucket(aws))
    assert change.action is Action.UPDATE
    apply([change], quietly)
    assert what_changes(plan(bucket(aws))) == {}


@pytest.mark.parametrize(("content", "tags"), [("a model", {}), ("", {"Project": "another"})])
def test_a_bucket_of_others_is_neither_changed_nor_deleted(
    account: Account, content: str, tags: dict[str, str]
) -> None:
    session = account.session()
    aws = account.aws(session)
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": aws.region})
    if content:
        s3.put_object(Bucket=NAME, Key="model", Body=content)
    for key, value in tags.items():
        s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": [{"Key": key, "Value": value}]})
    calls = record(session)
    with pytest.raises(NotOurs, match="not ours"):
        apply(plan(bucket(aws)), quietly)
    destroy(plan_destroy(Stack("this", (), tuple(bucket(aws))), NOBODY, include_data=True), quietly)
    assert calls.writes == []


def test_tags_that_others_added_stay(account: Account) -> None:
    aws = account.aws()
    s3 = aws.client("s3")
    apply(plan(bucket(aws)), quietly)
    tags = [*s3.get_bucket_tagging(Bucket=NAME)["TagSet"], {"Key": "Team", "Value": "Sales"}]
    s3.put_bucket_tagging(Bucket=NAME, Tagging={"TagSet": tags})
    assert what_changes(plan(bucket(aws))) == {}


def test_artifacts_are_spared_unless_data_is_included(account: Account) -> None:
    aws = account.aws()
    apply(plan(bucket(aws)), quietly)
    stack = Stack("this", (), tuple(bucket(aws)))
    (change,) = plan_destroy(stack, NOBODY, include_data=False)
    assert (change.action, change.reason[:16]) == (Action.KEEP, "it holds data, o")


def test_a_full_bucket_is_emptied_page_by_page_and_deleted(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "_PAGE", 3)  # of three versions and a marker
    aws = account.aws()
    (live,) = apply(plan(bucket(aws)), quietly).values()
    _fill(aws, live)
    session = account.session()
    calls = record(session)
    stack = Stack("this", (), tuple(bucket(account.aws(session))))
    destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)
    assert [call for _, call in calls.writes] == [
        "DeleteObjects", "DeleteObjects", "AbortMultipartUpload", "DeleteBucket"
    ]  # fmt: skip
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_what_cannot_be_deleted_is_told(account: Account) -> None:
    aws = account.aws()
    (live,) = apply(plan(bucket(aws)), quietly).values()
    _fill(aws, live)
    nobody = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    aws.client("s3").put_bucket_policy(Bucket=live.id, Policy=policy)
    stack = Stack("this", (), tuple(bucket(aws)))
    with pytest.raises(AwsRefused, match=r"4 of 4 versions cannot be deleted.*Access Denied"):
        destroy(plan_destroy(stack, NOBODY, include_data=True), quietly)


def test_runs_that_each_die_after_one_write_get_there(account: Account) -> None:
    assert die_after_each_write(account, bucket) == 7, "one for each write"
    assert what_changes(plan(bucket(account.aws()))) == {}
