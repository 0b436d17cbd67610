"""Forecasts and answers as Parquet by origin, in a folder or a bucket, by the weekly job."""

from __future__ import annotations

import csv
from contextlib import closing
from datetime import date
from io import BytesIO
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.data.ledger.tables import ledger_url
from sales_forecast.operations.parquet_export import export_parquet
from sales_forecast.settings import Settings
from tests.aws.account import Account
from tests.test_ledger import line
from tests.test_monday import place, run


def answered(settings: Settings, folder: Path, n: int) -> None:
    at = ledger_url(settings.database_url)
    assert at is not None
    with closing(Ledger(at, folder / "ledger")) as ledger:
        for _ in range(n):
            ledger.append(line())
        assert ledger.move()


def told_by(settings: Settings) -> str:
    return {result.step: result.told for result in run(settings).results}["export"]


def test_the_weekly_job_writes_what_the_csv_file_holds_and_the_answers(
    url: str, tmp_path: Path
) -> None:
    out = tmp_path / "lake"
    settings = place(tmp_path, url).model_copy(update={"export_uri": str(out)})
    answered(settings, tmp_path, 3)
    assert told_by(settings).endswith(f"Wrote 27 forecasts and 3 answers as Parquet into {out}.")

    with (tmp_path / "exports" / "forecasts.csv").open(newline="") as file:
        expected = [*csv.DictReader(file)]
    (origin,) = {row.pop("origin") for row in expected}
    table = pq.read_table(out / "forecasts" / f"origin={origin}" / "forecasts.parquet")
    found = table.to_pylist()
    assert [{**row, "issued_at": ""} for row in expected] == [
        {name: str(value) if name != "issued_at" else "" for name, value in row.items()}
        for row in found
    ]
    assert isinstance(found[0]["target"], date)
    assert isinstance(found[0]["sales"], float)

    answers = ds.dataset(out / "predictions", partitioning="hive").to_table().to_pylist()
    assert {"2012-10-26"} == {str(row["origin"]) for row in answers}
    assert 3 == len({row["id"] for row in answers})
    assert answers[0]["answer"].startswith("[")


def test_a_second_export_of_an_origin_takes_the_place_of_the_first(
    tmp_path: Path,
) -> None:
    settings = place(tmp_path, f"sqlite:///{tmp_path}/sales.db")
    run(settings)
    for _ in range(2):
        said = export_parquet(settings.database_url, str(tmp_path / "lake"))
        assert said.startswith("Wrote 27 forecasts and 0 answers")
    assert 1 == len([*(tmp_path / "lake").rglob("*.parquet")])
    assert not [*(tmp_path / "lake").rglob(".*")]


def test_a_bucket_has_the_same_and_one_that_is_not_there_fails_the_step_alone(
    empty_account: Account, tmp_path: Path
) -> None:
    s3 = empty_account.session().client("s3", region_name="us-east-1")
    settings = place(tmp_path, f"sqlite:///{tmp_path}/sales.db")
    nowhere = settings.model_copy(update={"export_uri": "s3://lake/sales"})
    failed = run(nowhere)
    assert ["export"] == [of.step for of in failed.results if not of.succeeded]
    assert "AWS refuses it (NoSuchBucket)" in told_by(nowhere)

    s3.create_bucket(Bucket="lake")
    assert told_by(nowhere).endswith("as Parquet into s3://lake/sales.")
    (item,) = s3.list_objects_v2(Bucket="lake")["Contents"]
    assert item["Key"].startswith("sales/forecasts/origin=")
    body = s3.get_object(Bucket="lake", Key=item["Key"])["Body"].read()
    assert 27 == pq.read_table(BytesIO(body)).num_rows
