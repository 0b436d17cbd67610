"""Forecasts in the database: what the service would answer, once for each origin."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import train
from sales_forecast.bundles.bundle import write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.forecast_table import ForecastTable
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.errors import BundleRefused, DatabaseError, NotReady
from sales_forecast.operations.batch import forecast_rows, write_forecasts
from sales_forecast.prediction.engines import MAX_STEPS
from sales_forecast.prediction.predictor import Predictor
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import Candidate, baseline_candidate
from tests import trained
from tests.builders import with_sales


def load(url: str, panel: Panel) -> None:
    """Load a panel into a database."""
    store, week = np.nonzero(~np.isnan(panel.y))
    rows = SalesRows(
        np.array(panel.series, dtype=np.int64)[store],
        panel.periods[week],
        panel.y[store, week],
        {name: values[store, week] for name, values in panel.conditions.items()},
    )
    with closing(Database(url)) as database:
        database.write(rows, "panel")


def bundle(folder: Path, candidate: Candidate) -> str:
    return str(
        write_bundle(folder / candidate.manifest.version, candidate.manifest, candidate.files)
    )


def stored(url: str) -> list[dict[str, object]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        table = sa.text("SELECT * FROM forecasts ORDER BY origin, store, week")
        found = [dict(row._mapping) for row in connection.execute(table)]
    days = {"origin", "week"}  # SQLite has them as texts
    return [{name: str(of) if name in days else of for name, of in row.items()} for row in found]


def expected(panel: Panel, candidate: Candidate) -> list[dict[str, object]]:
    rows = map(asdict, forecast_rows(Predictor(trained.bundle(candidate), panel), panel))
    return [{**row, "origin": str(row["origin"]), "week": str(row["week"])} for row in rows]


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """Three stores and the models that were trained on them."""
    load(url, trained.panel())
    return Settings(database_url=url, model_uri=bundle(tmp_path, trained.candidate()))


def test_every_store_has_a_year_of_what_the_service_answers(settings: Settings) -> None:
    sentence = write_forecasts(settings, trained.silent)
    predictor = Predictor(trained.bundle(), trained.panel())
    rows = {(row["store"], row["week"]): row for row in stored(settings.database_url)}

    assert 3 * MAX_STEPS == len(rows)
    assert sentence == (
        f"Wrote 156 forecasts of 3 stores after 2012-10-26, by {predictor.forecasting['best']} "
        f"of model {predictor.version}."
    )
    for store in map(int, trained.STORES):
        for level in (80, 95):
            for week in predictor.forecast(store, MAX_STEPS, "best", level):
                row = rows[store, str(week.week_ending)]
                assert week.sales == row["sales"]
                assert (week.lower, week.upper) == (row[f"lower_{level}"], row[f"upper_{level}"])
                assert predictor.version == row["model_version"]
                assert "" == row["warnings"]


def test_a_second_run_changes_nothing_and_another_model_replaces(
    settings: Settings, tmp_path: Path
) -> None:
    write_forecasts(settings, trained.silent)
    first = stored(settings.database_url)
    write_forecasts(settings, trained.silent)
    assert first == stored(settings.database_url)

    other = baseline_candidate(trained.panel(), "panel", {}, "a note for callers")
    given = settings.model_copy(update={"model_uri": bundle(tmp_path, other)})
    write_forecasts(given, trained.silent)
    rows = stored(settings.database_url)
    assert expected(trained.panel(), other) == rows
    assert {"a note for callers"} == {row["warnings"] for row in rows}
    assert {None} == {row["lower_80"] for row in rows}


def test_what_was_expected_at_earlier_origins_stays(url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=url, model_uri=bundle(tmp_path, trained.candidate()))
    load(url, trained.first_weeks(142))
    write_forecasts(settings, trained.silent)
    before = stored(url)
    load(url, trained.panel())
    write_forecasts(settings, trained.silent)
    after = stored(url)
    assert {"2012-10-19", "2012-10-26"} == {row["origin"] for row in after}
    assert before == [row for row in after if row["origin"] == "2012-10-19"]


def test_a_store_that_never_sold_has_no_rows_and_a_young_one_says_so() -> None:
    panel = with_sales(with_sales(trained.panel(), 0, 0, None, 0.0), 1, 0, 130, np.nan)
    rows = list(forecast_rows(Predictor(trained.bundle(), panel), panel))
    assert {12: True, 30: False} == {row.store: "Only 13 weeks" in row.warnings for row in rows}


def test_what_cannot_be_written_leaves_what_was_there(settings: Settings) -> None:
    write_forecasts(settings, trained.silent)
    before = stored(settings.database_url)
    panel = trained.panel()
    (row, *_) = forecast_rows(Predictor(trained.bundle(), panel), panel)
    with (
        closing(ForecastTable(settings.database_url)) as table,
        pytest.raises(DatabaseError, match="does not answer as it should"),
    ):
        table.replace(date(2012, 10, 26), [row, replace(row, sales=1.0)])  # the same week twice
    assert before == stored(settings.database_url)


def test_without_sales_or_a_model_nothing_is_written(url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=url, model_uri=str(tmp_path / "none"))
    with pytest.raises(NotReady, match="holds no sales yet"):
        write_forecasts(settings, trained.silent)
    load(url, trained.panel())
    with pytest.raises(BundleRefused, match="There is no model bundle at"):
        write_forecasts(settings, trained.silent)
    with pytest.raises(sa.exc.SQLAlchemyError):
        stored(url)


def test_the_command_says_what_it_wrote_or_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/sales.db")
    monkeypatch.setenv("MODEL_URI", bundle(tmp_path, trained.candidate()))
    assert 1 == train.main(["forecast"])
    said = capsys.readouterr()
    assert "" == said.out
    assert 1 == len(said.err.splitlines())

    load(f"sqlite:///{tmp_path}/sales.db", trained.panel())
    assert 0 == train.main(["forecast"])
    said = capsys.readouterr()
    assert said.out.startswith("Wrote 156 forecasts of 3 stores after 2012-10-26, by ")
    assert "" == said.err
