"""The functions around the job of Glue start it, and the loader, for what is whole alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import boto3
import pytest

from tests.apart import script
from tests.aws.account import Account

PLACES = ("s3://shop/raw/1", "s3://shop/staged/1")
RAW = {"train/a.csv": 3, "train/b.csv": 4, "stores.csv": 2}
STAGED = {"train.csv.gz": (6, 1), "stores.csv.gz": (2, 0)}


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    return script("glue/checks")


@pytest.fixture
def s3(empty_account: Account) -> Any:
    client = empty_account.session("us-east-1").client("s3")
    client.create_bucket(Bucket="shop")
    tell(client, "raw/1", {name: (rows, 0) for name, rows in RAW.items()})
    tell(client, "staged/1", STAGED)
    return client


def tell(s3: Any, folder: str, files: Mapping[str, tuple[int, int]]) -> None:
    told = [
        {"name": name, "bytes": 5, "sha256": "", "rows": rows, "repeated": repeated}
        for name, (rows, repeated) in files.items()
    ]
    put(s3, f"{folder}/manifest.json", json.dumps({"files": told}))
    for name in files:
        put(s3, f"{folder}/{name}", "12345")


def put(s3: Any, key: str, text: str) -> None:
    s3.put_object(Bucket="shop", Key=key, Body=text.encode())


def test_what_is_whole_is_let_through_with_its_counts(checks: ModuleType, s3: Any) -> None:
    assert {"train": 7, "stores": 2} == checks.before(PLACES[0])
    assert {"train": 6, "stores": 2} == checks.after(*PLACES)


def test_a_delivery_that_is_not_whole_starts_no_job(checks: ModuleType, s3: Any) -> None:
    put(s3, "raw/1/train/b.csv", "12")
    with pytest.raises(ValueError, match=r"raw/1/train/b.csv has 2 bytes; the manifest has 5"):
        checks.before(PLACES[0])
    s3.delete_object(Bucket="shop", Key="raw/1/stores.csv")
    put(s3, "raw/1/train/b.csv", "12345")
    with pytest.raises(ValueError, match=r"raw/1/stores.csv is not there"):
        checks.before(PLACES[0])
    s3.delete_object(Bucket="shop", Key="raw/1/manifest.json")
    with pytest.raises(ValueError, match=r"raw/1 has no manifest.json"):
        checks.before(PLACES[0])


@pytest.mark.parametrize(
    "staged",
    [{**STAGED, "train.csv.gz": (5, 1)}, {"train.csv.gz": (6, 1)}, {**STAGED, "more.csv": (1, 0)}],
)
def test_staged_rows_that_are_not_those_delivered_are_not_loaded(
    checks: ModuleType, s3: Any, staged: dict[str, tuple[int, int]]
) -> None:
    tell(s3, "staged/1", staged)
    with pytest.raises(ValueError, match=r"rows were delivered, and .* staged beside"):
        checks.after(*PLACES)


@pytest.fixture
def runs(empty_account: Account, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """What lists the runs of a job of Glue, the newest first, as they were started."""
    session = empty_account.session("us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    glue = session.client("glue")
    role = "arn:aws:iam::123456789012:role/stage"
    glue.create_job(Name="stage", Role=role, Command={"Name": "glueetl"})
    monkeypatch.setenv("JOB", "stage")
    return lambda: glue.get_job_runs(JobName="stage")["JobRuns"]


def arrived(key: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "shop"}, "object": {"key": key}}}]}


def test_a_manifest_starts_the_job_for_its_folder_whatever_letters_its_name_has(
    checks: ModuleType, s3: Any, runs: Callable[[], list[Any]]
) -> None:
    tell(s3, "raw/2026/week 48+", {"train/a.csv": (3, 0)})
    checks.delivered(arrived("raw/2026/week+48%2B/manifest.json"))
    (run,) = runs()
    where = "2026/week 48+"
    assert {"--raw": f"s3://shop/raw/{where}", "--staged": f"s3://shop/staged/{where}"} == run[
        "Arguments"
    ]
    with pytest.raises(ValueError, match=r"raw/2 has no manifest.json"):
        checks.delivered(arrived("raw/2/manifest.json"))
    assert [run] == runs()
