"""Features as a table: point in time, and a training reads them back to the same bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

import train
from sales_forecast.data.panel import Panel
from sales_forecast.errors import DataRefused
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.fit_cache import forget
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import training_set
from sales_forecast.training.challenger import model_challenger
from sales_forecast.training.feature_table import KEYS, parquet, read_back, version_of
from tests import trained
from tests.builders import daily_panel, sales_file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("features") / "features.parquet"
    content, _ = parquet(trained.panel())
    made.write_bytes(content)
    return made


def test_a_name_that_says_another_kind_of_file_is_refused(capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        train.main(["features", "--to", "features.csv"])
    assert "features.csv gets Parquet: end its name on .parquet" in capsys.readouterr().err


def test_a_row_says_of_what_it_is_and_what_was_sold_then(file: Path) -> None:
    panel = trained.panel()
    table = pq.read_table(file)
    assert [*KEYS, *FEATURE_NAMES] == table.column_names
    rows = table.to_pylist()
    learned = [row for row in rows if row["change"] is not None]
    ahead = [row for row in rows if row["change"] is None]
    assert len(training_set(panel, fit_profile(panel)).y) == len(learned)
    assert 3 * 52 == len(ahead)
    assert {panel.last} == {row["origin"] for row in ahead}
    assert {*range(1, 53)} == {row["step"] for row in ahead}
    for row in (*learned[::997], *ahead[::50]):
        assert 7 * int(row["step"]) == (row["ds"] - row["origin"]).days
        place = panel.positions[row["unique_id"]], np.flatnonzero(panel.periods == row["ds"])
        assert panel.y[place].tolist() == ([] if row["y"] is None else [row["y"]])
        if row["change"] is not None:
            change = np.log(row["y"]) - row["reference"]
            assert row["change"] == pytest.approx(np.clip(change, -1, 1))


def test_no_later_sale_moves_a_feature_but_by_the_calendar(file: Path) -> None:
    """Rows of an old origin are those of a table that was written then, with today's calendar."""
    panel = trained.panel()
    cutoff = panel.periods[-40]
    whole = pq.read_table(file).to_pandas()
    y = panel.y.copy()
    y[:, panel.periods > cutoff] *= 5
    later = replace(panel, y=y)
    with threadpool_limits(1):
        profile = fit_profile(panel)
        taught = training_set(later, profile)
    old = (whole["ds"] <= cutoff)[whole["change"].notna()].to_numpy()
    np.testing.assert_array_equal(taught.X[old], whole[whole["change"].notna()][old][
        [*FEATURE_NAMES]].to_numpy(np.float32))  # fmt: skip


def made(panel: Panel) -> str:
    forget()
    with threadpool_limits(1):
        return model_challenger(panel, "x", trained.tables(), trained.silent).version


def test_a_bundle_of_the_table_is_the_same_and_of_another_table_another(
    file: Path, tmp_path: Path
) -> None:
    panel = trained.panel()
    usual = trained.challenger().version
    with read_back(file, panel):
        assert usual == made(panel)
    table = pq.read_table(file)
    place = table.column_names.index("growth_4")
    changed = table.set_column(place, "growth_4", [np.zeros(len(table), dtype=np.float32)])
    other = tmp_path / "other.parquet"
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), other)
    with read_back(other, panel):
        assert usual != made(panel)
    assert usual == made(panel)


def test_a_file_of_other_sales_or_of_somebody_else_is_refused(file: Path, tmp_path: Path) -> None:
    shorter = trained.first_weeks(140)
    said = json.loads(pq.read_schema(file).metadata[b"sales_forecast"])
    assert version_of(trained.panel()) == said["version"] != version_of(shorter)
    with pytest.raises(DataRefused, match=f"{said['version']}.*{version_of(shorter)}"):
        read_back(file, shorter).__enter__()
    theirs = tmp_path / "theirs.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), theirs)
    with pytest.raises(DataRefused, match="not written by"):
        read_back(theirs, shorter).__enter__()
    theirs.write_text("words")
    with pytest.raises(DataRefused, match="no Parquet file"):
        read_back(theirs, shorter).__enter__()
    with pytest.raises(DataRefused, match="cannot be read"):
        read_back(tmp_path / "none.parquet", shorter).__enter__()


def test_days_have_features_too() -> None:
    panel = daily_panel(3, 460)
    _, rows = parquet(panel)
    assert rows > 3 * 364


def test_the_command_writes_what_was_known_on_a_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sales = sales_file(tmp_path, trained.panel())
    out = tmp_path / "then.parquet"
    until = ("--until", "2012-03-02")
    assert 0 == train.main(["features", "--csv", str(sales), "--to", str(out), *until])
    origins = pq.read_table(out)["origin"].to_pylist()
    assert date(2012, 3, 2) == max(origins)
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote {len(origins):,} rows of features ")
    with pytest.raises(SystemExit):
        train.main(["--features", str(out), "forecast"])
