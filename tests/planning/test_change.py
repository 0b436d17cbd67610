"""Why a forecast changed: parts that add up to the change, to the cent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sales_forecast.bundles.bundle import Bundle, read_bundle
from sales_forecast.bundles.fallback import growth_bundle
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.commands.reading import stored
from sales_forecast.data.database import Database
from sales_forecast.data.forecasts.plan_rows import PlanTables
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import Covariate
from sales_forecast.errors import InvalidRequest, NoForecasts
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES
from sales_forecast.operations.batch import issues_of, write_forecasts
from sales_forecast.planning.change import Change, explain
from sales_forecast.planning.overrides import Overrides
from sales_forecast.planning.wishes import Wish
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests.two_keys import SPEC, panel

HORIZON = 6
SCOPES = [{}, {"k1": "10"}, {"k2": "A"}, {"k1": "2", "k2": "b"}]
NOTHING = ["covariates", "corrected_sales", "new_sales", "new_model", "not_split", "overrides"]


class Job:
    """The weekly batch of a database, week after week."""

    def __init__(self, folder: Path, url: str, sales: Panel | None = None) -> None:
        self.sales = sales or panel(124)
        self.url = url
        self.folder = folder
        self.settings = Settings(
            database_url=self.url,
            var_dir=folder,
            model_uri=str(folder / "champion"),
            forecast_horizon=HORIZON,
        )

    def load(self, n_weeks: int, sales: Panel | None = None) -> Panel:
        known = (sales or self.sales).until(self.sales.periods[n_weeks - 1])
        with closing(Database(self.url)) as database:
            database.write(known, "panel")
            return database.read_panel()

    def train(self, windows: int) -> str:
        """Make a champion that differs from others by what was measured in so many windows."""
        with closing(Database(self.url)) as database:
            known = database.read_panel()
        table = backtest(known, BASELINES, RollingOrigin(2, windows, 1))
        tables = {"many_steps": with_quantiles(table, known)}
        folder = write_bundle(
            self.folder / "bundles", baseline_challenger(known, "panel", tables, "").sealed
        )
        set_alias(self.folder / "champion", folder)
        return folder.name

    def forecast(self) -> None:
        known = stored(self.settings)
        assert write_forecasts(self.settings, known, lambda _: None).startswith("Wrote")

    def by(self, version: str, known: Panel, scope: dict[str, str], target: date) -> int:
        """What a bundle forecasts of a sum, in cents, made anew."""
        return self.of(read_bundle(self.folder / "bundles" / version), known, scope, target)

    def of(self, bundle: Bundle, known: Panel, scope: dict[str, str], target: date) -> int:
        best, _ = issues_of(bundle, known, HORIZON + 2)
        column = known.after(HORIZON + 2).tolist().index(target)
        rows = np.ones(known.n_series, dtype=bool)
        for key, value in scope.items():
            column_of = {"k1": "Store", "k2": "Dept"}[key]
            rows &= known.keys[column_of].astype(str) == value
        return int(np.rint(np.round(best.mean[rows, column], 2) * 100).sum())

    def explain(self, scope: dict[str, str], target: date | None = None, **ends: date) -> Change:
        spec = self.sales.spec or SPEC
        with closing(PlanTables(self.url)) as tables:
            change = explain(tables, spec, scope, target=target, **ends)
        assert change.after - change.before == sum(change.parts.values())
        assert NOTHING == [*change.parts]
        return change


def moved(change: Change) -> set[str]:
    return {cause for cause, cents in change.parts.items() if cents}


def corrected(sales: Panel, week: int) -> Panel:
    y = sales.y.copy()
    y[:, week] *= 1.1
    return replace(sales, y=np.round(y, 2))


def test_each_part_is_what_the_old_model_makes_of_one_input_more(url: str, tmp_path: Path) -> None:
    job = Job(tmp_path, url)
    first = job.load(120)
    old = job.train(40)
    job.forecast()
    job.sales = corrected(job.sales, 118)
    second = job.load(121)
    new = job.train(14)
    job.forecast()
    with closing(Overrides(job.url)) as overrides:
        with overrides.tables.reading(SPEC) as rows:
            version = f"{rows.issues.newest().id}-0"
        target = second.after(2)[-1].item()
        wish = Wish({"k1": "10"}, target, target, "units", 33.33, "event", "a fair", version)
        overrides.make(SPEC, wish, "ada")
    for scope in SCOPES:
        change = job.explain(scope, target)
        known = [
            job.by(old, first, scope, target),
            job.by(old, second.until(first.last), scope, target),
            job.by(old, second, scope, target),
            job.by(new, second, scope, target),
        ]
        parts = dict(zip(NOTHING[1:4], np.diff(known).tolist(), strict=True))
        assert parts == {name: change.parts[name] for name in parts}
        assert all(parts.values())
        touched = scope in ({}, {"k1": "10"}) or change.parts["overrides"] != 0
        assert touched == (scope != {"k1": "2", "k2": "b"})
        assert (known[0], known[-1]) == (change.before, change.after - change.parts["overrides"])
        assert (first.last, second.last, []) == (change.start, change.end, change.notes)
    assert 3333 == job.explain({}, target).parts["overrides"]
    whole = job.explain({})
    assert second.after(5).tolist() == [*whole.targets]
    by_week = [job.explain({}, of) for of in whole.targets]
    for name in NOTHING:
        assert whole.parts[name] == sum(of.parts[name] for of in by_week)


def test_two_weeks_are_the_sum_of_each_and_equal_sales_and_model_move_nothing(
    url: str, tmp_path: Path
) -> None:
    job = Job(tmp_path, url)
    days = []
    for weeks in (120, 121, 122):
        days.append(job.load(weeks).last)
        if weeks == 120:
            job.train(40)
        job.forecast()
    target = job.sales.periods[123].item()
    both = job.explain({}, target, start=days[0], end=days[2])
    one, two = (job.explain({}, target, start=days[at], end=days[at + 1]) for at in (0, 1))
    assert {"new_sales"} == moved(both) == moved(one)
    assert both.parts["new_sales"] == one.parts["new_sales"] + two.parts["new_sales"]
    for ends in ({"start": date(2012, 1, 1)}, {"start": days[2], "end": days[1]}):
        with pytest.raises(InvalidRequest, match="from "):
            job.explain({}, target, **ends)
    with pytest.raises(InvalidRequest, match="was not forecast from both origins: 2012-06-08 to"):
        job.explain({}, date(2020, 1, 3))


def test_an_origin_whose_bundle_is_gone_is_explained_as_one_part(url: str, tmp_path: Path) -> None:
    job = Job(tmp_path, url)
    job.load(120)
    old = job.train(40)
    job.forecast()
    with pytest.raises(NoForecasts, match="no two origins"):
        job.explain({})
    job.load(121)
    job.train(14)
    shutil.rmtree(tmp_path / "bundles" / old)
    job.forecast()
    change = job.explain({})
    assert {"not_split"} == moved(change)
    (note,) = change.notes
    assert note.startswith(f"The bundle {old} cannot be asked any more: ")


def test_what_the_baseline_forecast_for_a_bundle_of_other_sales_is_split_too(
    url: str, tmp_path: Path
) -> None:
    job = Job(tmp_path, url)
    job.load(120, replace(job.sales, y=job.sales.y * 3))
    job.train(40)
    first = job.load(120)
    job.forecast()
    second = job.load(121)
    job.forecast()
    assert {"new_sales"} == moved(job.explain({}))
    job.sales = corrected(job.sales, 118)
    third = job.load(122)
    new = job.train(14)
    job.forecast()
    target = third.after(2)[-1].item()
    for scope in SCOPES:
        change = job.explain(scope, target)
        known = [
            job.of(growth_bundle(of, ""), of, scope, target)
            for of in (second, third.until(second.last), third)
        ]
        known.append(job.by(new, third, scope, target))
        parts = dict(zip(NOTHING[1:4], np.diff(known).tolist(), strict=True))
        assert parts == {name: change.parts[name] for name in parts}
        assert (second.last, third.last, []) == (change.start, change.end, change.notes)
    both = job.explain({}, target, start=first.last)
    one = job.explain({}, target, start=first.last, end=second.last)
    assert (
        both.parts["new_sales"]
        == one.parts["new_sales"] + job.explain({}, target).parts["new_sales"]
    )


def test_rows_that_were_told_late_are_said_to_be_part_of_corrected_sales(
    url: str, tmp_path: Path
) -> None:
    job = Job(tmp_path, url)
    whole = job.sales
    gap = whole.y.copy()
    gap[4, 70] = np.nan
    job.load(120, replace(whole, y=gap))
    job.train(40)
    job.forecast()
    job.load(121, whole)
    job.forecast()
    change = job.explain({"k1": "2"})
    assert {"corrected_sales", "new_sales"} == moved(change)
    (note,) = change.notes
    assert "added later" in note


def with_temperature(sales: Panel) -> Panel:
    spec = SPEC.model_copy(update={"past": (Covariate(name="Temp", column="Temp"),)})
    values = np.full(sales.y.shape, 20.0)
    return replace(sales, conditions={"Temp": values}, spec=spec)


def test_covariates_that_a_model_does_not_ask_for_move_nothing_but_are_told_apart(
    url: str, tmp_path: Path
) -> None:
    job = Job(tmp_path, url, with_temperature(panel(124)))
    job.load(120)
    job.train(40)
    job.forecast()
    warm = job.sales.conditions["Temp"].copy()
    warm[:, 60] = 35.0
    job.sales = replace(corrected(job.sales, 118), conditions={"Temp": warm})
    job.load(121)
    job.forecast()
    engine = sa.create_engine(job.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        roles = connection.execute(sa.text("SELECT role FROM forecast_issues ORDER BY id"))
        assert ["covariates", "corrected_sales"] == [of for (of,) in roles][4:]
    change = job.explain({})
    assert ({"corrected_sales", "new_sales"}, []) == (moved(change), change.notes)


def test_what_was_never_issued_is_not_judged_and_not_in_the_view(url: str, tmp_path: Path) -> None:
    job = Job(tmp_path, url)
    job.load(120)
    job.train(40)
    job.forecast()
    job.load(121)
    job.train(14)
    job.forecast()
    with sa.create_engine(job.url, poolclass=sa.NullPool).connect() as connection:
        ask: Callable[[str], int] = lambda query: connection.scalar(sa.text(query))  # noqa: E731
        assert 1 == ask("SELECT COUNT(*) FROM forecast_issues WHERE role = 'new_sales'")
        assert 9 * 7 == ask("SELECT COUNT(*) FROM forecasts_newest")
