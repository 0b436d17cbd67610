"""Sales that lie in a bucket: loaded as if they lay here."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import database_loader
from sales_forecast.data.database import Database
from tests.aws.account import Account
from tests.builders import panel_of_layout, weeks

WEEKS = [str(day) for day in weeks("2021-01-01", 60)]
OWN = 'series = ["shop"]\ndate = "week"\ntarget = "sold"\n'


@pytest.fixture
def s3(empty_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket, in the account that any process talks to, and an empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    client = empty_account.session("us-east-1").client("s3")
    client.create_bucket(Bucket="shop")
    return client


def put(s3: Any, key: str, text: str) -> None:
    s3.put_object(Bucket="shop", Key=key, Body=text.encode())


def test_a_file_and_its_layout_are_read_from_a_bucket(s3: Any, capsys) -> None:
    rows = "".join(f"{shop},{week},{10 + shop}\n" for shop in (1, 2) for week in WEEKS)
    put(s3, "loads/1/sales.csv", f"shop,week,sold\n{rows}")
    put(s3, "loads/1/my.toml", OWN)
    place, form = "s3://shop/loads/1/sales.csv", "s3://shop/loads/1/my.toml"
    assert 0 == database_loader.main(["--csv", place, "--layout", form])
    assert f"Loaded {place}.\n" in capsys.readouterr().out
    with closing(Database("sqlite:///var/sales.db")) as database:
        assert (2, place) == (database.read_panel().n_series, database.source())


def test_a_folder_is_read_with_all_that_is_in_it(s3: Any, capsys, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    panel = panel_of_layout("departments", tmp_path / "here")
    for file in (tmp_path / "here").iterdir():
        put(s3, f"sales/{file.name}", file.read_text())
        put(s3, f"sales-of-others/{file.name}", "no")
    assert 0 == database_loader.main(["--csv", "s3://shop/sales/", "--layout", "departments"])
    assert f"series {panel.n_series}, weeks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("s3://shop/none.csv", "s3://shop/none.csv: there is no such file or folder"),
        ("s3://shop", "s3://shop: is not of the form s3://BUCKET/KEY"),
        ("s3://other/a.csv", r"s3://other/a.csv: AWS refuses it \(NoSuchBucket\): .*"),
        ("s3://shop/out", "s3://shop/out: out/../../a.csv names a file outside of the folder"),
    ],
)
def test_what_is_not_there_is_one_line(s3: Any, capsys, place: str, problem: str) -> None:
    put(s3, "out/../../a.csv", "x")
    assert 1 == database_loader.main(["--csv", place])
    assert re.fullmatch(f"{problem}\n", capsys.readouterr().err)
    assert not Path("var/sales.db").exists()
