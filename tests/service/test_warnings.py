"""What answers warn of is what happened, in every situation that has words of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.bundles.fallback import growth_bundle
from sales_forecast.data.files.daily import StoreDays
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.models.naive import GROWTH_ANSWERS
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.results import Answer
from tests.builders import daily_folder, daily_panel
from tests.service.test_any_panel import departments

NAN = np.nan
LITTLE = "Only {} weeks of its sales are known, too few to tell its season."
LAST = "Sales of {} a year before the {} are not known: answered from what it sold last."
FAR = (
    "The week ending {} is {} weeks after the last known one ({}), more than the 52 that the "
    "models know{}."
)


def growth(panel: Panel) -> Predictor:
    return Predictor(growth_bundle(panel, "Because."), panel)


def ask(predictor: Predictor, series: tuple[int | str, ...], day: date) -> Answer:
    spec = predictor.spec
    told = (0.0, 60.0, 3.0, 200.0, 8.0) if spec.required else (None,) * len(spec.past + spec.future)
    return predictor.predict(series, day, told)


def said(predictor: Predictor, series: tuple[int | str, ...], day: date) -> Sequence[str]:
    """All warnings of an answer but the one of all answers."""
    note, *others = ask(predictor, series, day).warnings
    assert note == f"Because. {GROWTH_ANSWERS}" == predictor.warnings_for(series)[0]
    return others


def stores(n_weeks: int) -> Panel:
    whole = sample_rows().to_panel().select(["1", "2"])
    return whole.until(whole.periods[n_weeks - 1])


def with_first(panel: Panel, sales: Array) -> Panel:
    y = panel.y.copy()
    y[0] = sales
    return replace(panel, y=y)


@pytest.mark.parametrize("steps", [1, 9, 60])
def test_half_a_year_of_weeks_is_answered_from_the_last_one_and_says_so(steps: int) -> None:
    panel = stores(30)
    predictor = growth(panel)
    day = panel.last + timedelta(weeks=steps)
    far = [FAR.format(day, steps, panel.last, "")] if steps > 52 else []
    last = LAST.format("store 1", f"week ending {day}")
    assert [LITTLE.format(30), *far, last] == said(predictor, (1,), day)
    assert round(float(panel.y[0, -1]), 2) == ask(predictor, (1,), day).prediction
    assert [LITTLE.format(30)] == [*predictor.warnings_for((1,), 52)[1:]]


@pytest.mark.parametrize("n_weeks", [60, 143])
def test_where_a_year_before_is_known_nothing_is_said_until_a_year_ahead(n_weeks: int) -> None:
    panel = stores(n_weeks)
    predictor = growth(panel)
    for steps in (1, 52):
        assert [] == said(predictor, (1,), panel.last + timedelta(weeks=steps))
    day = panel.last + timedelta(weeks=53)
    known = ": answered from the same season of the last known year"
    assert [FAR.format(day, 53, panel.last, known)] == said(predictor, (1,), day)


def test_a_gap_a_year_before_is_said_of_the_weeks_that_fall_into_it() -> None:
    panel = stores(143)
    y = panel.y[0].copy()
    y[-52] = NAN
    predictor = growth(with_first(panel, y))
    first, second = (panel.last + timedelta(weeks=steps) for steps in (1, 2))
    assert [LAST.format("store 1", f"week ending {first}")] == said(predictor, (1,), first)
    assert [] == said(predictor, (1,), second)


def test_a_department_and_a_day_say_the_same() -> None:
    panel = departments().until(departments().periods[29])
    day = panel.last + timedelta(weeks=1)
    last = LAST.format("Store 1, Dept 3", f"week ending {day}")
    assert [LITTLE.format(30), last] == said(growth(panel), (1, 3), day)
    assert ["Nothing is known of it: expected to sell 100% of what its like do, 1-7."] == said(
        growth(panel), (3, 7), day
    )


def days(folder: Path, n_days: int, ahead: int = 21) -> Panel:
    return StoreDays().panel(daily_folder(folder, daily_panel(3, n_days, ahead=ahead)))


def test_a_quarter_of_days_is_answered_from_the_last_ones_and_says_so(tmp_path: Path) -> None:
    panel = days(tmp_path, 100)
    closed, opened = (panel.last + timedelta(days=steps) for steps in (1, 2))
    assert [LITTLE.format(15)] == said(growth(panel), (1,), closed)
    assert 0.0 == ask(growth(panel), (1,), closed).prediction
    assert [LITTLE.format(15), LAST.format("Store 1", f"day {opened}")] == said(
        growth(panel), (1,), opened
    )


def test_the_end_of_the_plan_is_that_of_the_series(tmp_path: Path) -> None:
    panel = days(tmp_path, 400)
    promotions = panel.plan["promo"].copy()
    promotions[1, -14:], promotions[2] = NAN, NAN
    predictor = growth(replace(panel, plan={**panel.plan, "promo": promotions}))
    text = "The plan ends with {}: what comes after is expected as usual."
    for store, planned in ((1, 21), (2, 7), (3, 21)):
        until = panel.last + timedelta(days=planned)
        assert text.format(until) not in predictor.warnings_for((store,), planned)
        assert text.format(until) == predictor.warnings_for((store,), planned + 1)[-1]
        assert text.format(until) not in said(predictor, (store,), until)
        assert text.format(until) == said(predictor, (store,), until + timedelta(days=1))[-1]


def test_of_a_past_week_is_said_what_was_known_then() -> None:
    panel = stores(143)
    y = panel.y[0].copy()
    y[:60], y[100:110], y[-20:] = NAN, NAN, NAN
    predictor = growth(with_first(panel, y))
    weeks = panel.periods.astype(object)
    young = [LITTLE.format(5), LAST.format("store 1", f"week ending {weeks[65]}")]
    assert young == said(predictor, (1,), weeks[65])
    peers = "Nothing is known of it: expected to sell 100% of what its like do, 2."
    assert [peers] == said(predictor, (1,), weeks[50])
    ended = f"No sales since {weeks[122]}: it may have ended."
    assert [ended] == said(predictor, (1,), weeks[140])
    assert [ended] == said(predictor, (1,), panel.last + timedelta(weeks=1))
    assert [] == said(predictor, (1,), weeks[122])
    assert [] == said(predictor, (2,), weeks[122])
