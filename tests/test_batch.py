"""The batch: what is expected of every series, issued into the database once."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import train
from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.commands.reading import stored
from sales_forecast.data.database import Database
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.panel import Panel
from sales_forecast.errors import BundleRefused, NotReady, SettingsError
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.operations.batch import issues_of, write_forecasts
from sales_forecast.prediction.forecast import forecast, mean, quantiles
from sales_forecast.settings import Settings, load_settings
from sales_forecast.training.challenger import baseline_challenger, model_challenger
from tests.builders import one_thread, panel_of_layout
from tests.trained import silent
from tests.two_keys import panel

N_WEEKS = 120


def load(url: str, sales: Panel) -> None:
    with closing(Database(url)) as database:
        database.write(sales, "panel")


def bundle(folder: Path, sales: Panel, note: str = "") -> Path:
    """The growth baseline, judged by itself."""
    table = with_quantiles(backtest(sales, BASELINES, RollingOrigin(4, 10, 1)), sales)
    tables = {"many_steps": table}
    return write_bundle(folder, baseline_challenger(sales, "panel", tables, note).sealed)


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nine departments, the growth baseline and its intervals."""
    url = f"sqlite:///{tmp_path}/sales.db"
    load(url, panel(N_WEEKS))
    return Settings(database_url=url, model_uri=str(bundle(tmp_path, panel(N_WEEKS))))


def written(settings: Settings) -> str:
    return write_forecasts(settings, stored(settings), silent)


def read(settings: Settings) -> Bundle:
    return read_bundle(Path(settings.model_uri))


def test_every_series_has_a_year_of_what_the_one_function_says(settings: Settings) -> None:
    sentence = written(settings)
    sales = panel(N_WEEKS)
    assert sentence == (
        f"Wrote 936 forecasts of 9 series, 52 weeks after {sales.last}, by {GROWTH.name} of "
        f"model {read(settings).version}."
    )
    expected, spread = forecast({"x": GROWTH}, sales, 52)["x"], read(settings).spreads[GROWTH.name]
    at = quantiles(spread, sales, expected, [*QUANTILES.values()])
    columns = [mean(spread, expected), *np.moveaxis(at, 2, 0)]
    for role in ("best", "baseline"):
        of_role = f"i.id = issue_id WHERE role = '{role}' ORDER BY series_id, step"
        values = ", ".join(["sales", *QUANTILES])
        query = f"SELECT {values} FROM forecasts JOIN forecast_issues i ON {of_role}"  # noqa: S608
        rows = asked(settings.database_url, query)
        found = np.array(rows, dtype=np.float64).T
        np.testing.assert_allclose(found, [np.round(of.ravel(), 2) for of in columns])
        assert not np.isnan(found).any()


def test_a_second_run_says_that_nothing_changed(settings: Settings) -> None:
    written(settings)
    before = asked(settings.database_url, "SELECT * FROM forecasts")
    assert written(settings) == (
        f"Nothing changed: model {read(settings).version} has forecast 52 weeks after "
        f"{panel(N_WEEKS).last} from these sales already."
    )
    assert before == asked(settings.database_url, "SELECT * FROM forecasts")


def test_corrected_sales_another_model_or_horizon_issue_anew(
    settings: Settings, tmp_path: Path
) -> None:
    sales = panel(N_WEEKS)
    corrected = replace(sales, y=sales.y + (sales.y == sales.y.max()))
    written(settings)
    load(settings.database_url, corrected)
    assert written(settings).startswith("Wrote 936 forecasts of 9 series")
    other = settings.model_copy(
        update={"model_uri": str(bundle(tmp_path, sales, "a note for callers"))}
    )
    assert written(other).startswith("Wrote 936 forecasts of 9 series")
    short = other.model_copy(update={"forecast_horizon": 3})
    assert written(short).startswith("Wrote 54 forecasts of 9 series, 3 weeks")
    issues = asked(
        settings.database_url,
        "SELECT role, horizon, COUNT(DISTINCT fingerprint), COUNT(*) FROM forecast_issues"
        " GROUP BY role, horizon ORDER BY role, horizon",
    )
    assert [
        ("baseline", 3, 1, 1), ("baseline", 52, 2, 3), ("best", 3, 1, 1), ("best", 52, 2, 3),
    ] == issues  # fmt: skip
    ((said,),) = asked(
        settings.database_url,
        "SELECT COUNT(*) FROM forecast_issues WHERE warnings LIKE '%a note for callers%'",
    )
    assert 4 == said


def test_what_was_thinned_is_told(settings: Settings) -> None:
    written(settings)
    load(settings.database_url, panel(N_WEEKS + 27))
    sentence = written(settings)
    thinned = 2 * 9 * (52 - 13)
    assert sentence.endswith(f" Thinned {thinned} of old origins, more than 13 weeks ahead.")


def test_the_best_model_and_the_baseline_are_told_apart(tmp_path: Path) -> None:
    sales = panel(N_WEEKS)
    with one_thread():
        challenger = model_challenger(sales, "panel", {}, silent)
    folder = write_bundle(tmp_path, challenger.sealed)
    url = f"sqlite:///{tmp_path}/sales.db"
    load(url, sales)
    sentence = written(Settings(database_url=url, model_uri=str(folder)))
    best = challenger.manifest.answered_by.best
    assert f"by {best} and {GROWTH.name} of model {challenger.version}" in sentence
    ours, baseline = issues_of(read_bundle(folder), sales, 52)
    assert (best, GROWTH.name) == (ours.model, baseline.model)
    assert best != GROWTH.name
    np.testing.assert_allclose(baseline.mean, forecast({"x": GROWTH}, sales, 52)["x"].if_sold)
    assert [(best,), (GROWTH.name,)] == asked(url, "SELECT model FROM forecast_issues ORDER BY id")
    assert [(936,)] == asked(url, "SELECT COUNT(*) FROM forecasts WHERE lower_80 IS NULL")


def test_days_are_forecast_90_ahead_and_closed_ones_sell_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    sales = panel_of_layout("daily", tmp_path)
    load(url, sales)
    sealed = baseline_challenger(sales, "days", {}, "").sealed
    settings = Settings(database_url=url, model_uri=str(write_bundle(tmp_path, sealed)))
    assert "3 series, 90 days after " in written(settings)
    rows = asked(url, "SELECT strftime('%w', target), MAX(sales) FROM forecasts GROUP BY 1")
    assert ("0", 0.0) in rows


def test_without_sales_a_model_or_one_of_this_panel_nothing_is_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    settings = Settings(database_url=url, model_uri=str(tmp_path / "none"))
    with pytest.raises(NotReady, match="holds no sales yet"):
        written(settings)
    load(url, panel_of_layout("stores", tmp_path))
    with pytest.raises(BundleRefused, match="There is no model bundle at"):
        written(settings)
    other = settings.model_copy(update={"model_uri": str(bundle(tmp_path, panel(N_WEEKS)))})
    with pytest.raises(BundleRefused, match="made for another panel"):
        written(other)
    assert [(0,)] == asked(url, "SELECT COUNT(*) FROM forecast_issues")


@pytest.mark.parametrize("value", ["0", "-1", "52.5", "a year"])
def test_a_horizon_is_a_number_of_periods(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECAST_HORIZON", value)
    with pytest.raises(
        SettingsError, match=r"FORECAST_HORIZON must be (at least 1|a whole number), not "
    ):
        load_settings()


def test_the_command_says_what_it_did_and_each_stage_as_a_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("MODEL_URI", settings.model_uri)
    monkeypatch.setenv("FORECAST_HORIZON", "2")
    assert 0 == train.main(["forecast"])
    said = capsys.readouterr()
    assert said.out.startswith("Wrote 36 forecasts of 9 series, 2 weeks after ")
    assert [
        "importing the service",
        "reading the sales",
        "letting the model prove itself",
        "forecasting",
        "writing",
    ] == said.err.splitlines()
    monkeypatch.setenv("MODEL_URI", "nowhere")
    assert 1 == train.main(["forecast"])
    said = capsys.readouterr()
    assert "" == said.out
    assert said.err.splitlines()[-1].startswith("There is no model bundle at nowhere.")
