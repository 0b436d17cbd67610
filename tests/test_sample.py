"""The sample: the shape and calendar of the public data, and the story that its scores tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.common_design import CommonArima, CommonTrees
from sales_forecast.data.panel import CONDITIONS, Array, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.features.calendar_effects import CalendarProfile
from sales_forecast.models.base import FittedForecaster, Forecaster, FutureConditions
from sales_forecast.models.naive import GROWTH, LAST_VALUE, SEASONAL_NAIVE
from sales_forecast.models.pooled import fit_profile

YEAR = 52


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_rows().to_panel()


def chain_sales(panel: Panel, *weeks: str) -> Array:
    """Sales of all stores in some weeks."""
    position = {str(week): index for index, week in enumerate(panel.periods)}
    return panel.y.sum(axis=0)[[position[week] for week in weeks]]


# Shape and calendar


def test_equal_seeds_give_equal_rows():
    assert sample_rows(7).to_panel().fingerprint == sample_rows(7).to_panel().fingerprint


def test_another_seed_gives_other_values_in_the_same_weeks():
    one, other = sample_rows(7), sample_rows(8)
    assert one.week.tolist() == other.week.tolist()
    assert one.conditions["Holiday_Flag"].tolist() == other.conditions["Holiday_Flag"].tolist()
    assert (one.sales != other.sales).all()
    for name in set(CONDITIONS) - {"Holiday_Flag"}:
        assert (one.conditions[name] != other.conditions[name]).mean() > 0.99


def test_there_is_one_row_for_each_of_45_stores_and_143_weeks_ordered_by_store():
    rows = sample_rows()
    assert len(rows) == 45 * 143
    expected = [
        (store, week)
        for store in range(1, 46)
        for week in np.arange(
            "2010-02-05", "2012-10-27", np.timedelta64(7, "D"), dtype="datetime64[D]"
        ).tolist()
    ]
    assert expected == list(zip(rows.store.tolist(), rows.week.tolist(), strict=True))


def test_no_value_is_missing_and_all_conditions_are_there(panel):
    stores_and_weeks = (45, 143)
    assert stores_and_weeks == panel.y.shape
    assert set(CONDITIONS) == set(panel.conditions)
    for values in (panel.y, *panel.conditions.values()):
        assert np.isfinite(values).all()


def test_values_have_the_decimals_of_the_public_columns():
    rows = sample_rows()
    decimals = {"Holiday_Flag": 0, "Temperature": 2, "Fuel_Price": 3, "CPI": 7, "Unemployment": 3}
    assert rows.sales.round(2).tolist() == rows.sales.tolist()
    for name, count in decimals.items():
        values = rows.conditions[name]
        assert values.round(count).tolist() == values.tolist()


def test_the_flags_are_on_the_ten_public_holiday_weeks_of_every_store(panel):
    expected = [
        "2010-02-12",
        "2010-09-10",
        "2010-11-26",
        "2010-12-31",
        "2011-02-11",
        "2011-09-09",
        "2011-11-25",
        "2011-12-30",
        "2012-02-10",
        "2012-09-07",
    ]
    for flags in panel.conditions["Holiday_Flag"]:
        assert expected == panel.periods[flags != 0].astype(str).tolist()
        assert set(flags) == {0.0, 1.0}


# Magnitudes


@pytest.mark.parametrize(
    ("condition", "lowest", "highest"),
    [
        ("Temperature", -10, 110),
        ("Fuel_Price", 2.2, 4.8),
        ("CPI", 120, 235),
        ("Unemployment", 3.5, 15),
    ],
)
def test_conditions_stay_in_plausible_ranges(panel, condition, lowest, highest):
    values = panel.conditions[condition]
    assert lowest < values.min() < values.max() < highest


def test_summer_is_warmer_than_winter_in_every_store(panel):
    months = panel.periods.astype("datetime64[M]").astype(int) % 12 + 1
    temperature = panel.conditions["Temperature"]
    july, january = (temperature[:, months == month].mean(axis=1) for month in (7, 1))
    assert (july - january > 15).all()


def test_unemployment_moves_only_when_a_quarter_begins(panel):
    moved = (np.diff(panel.conditions["Unemployment"], axis=1) != 0).any(axis=0)
    first_weeks_of_quarters = ["2010-04-02", "2010-07-02", "2010-10-01", "2011-01-07"]
    assert first_weeks_of_quarters == panel.periods[1:][moved].astype(str).tolist()[:4]


def test_stores_differ_eightfold_around_a_million_a_week(panel):
    means = np.sort(panel.y.mean(axis=1))
    assert 7 < means[-1] / means[0] < 9.5
    assert 0.9e6 < means.mean() < 1.2e6
    assert panel.y.min() > 150_000
    assert panel.y.max() < 4_500_000


def test_the_chain_grows_and_stores_grow_differently(panel):
    this_year, last_year = panel.y[:, -YEAR:], panel.y[:, -2 * YEAR : -YEAR]
    growth = this_year.sum(axis=1) / last_year.sum(axis=1)
    assert 1.0 < this_year.sum() / last_year.sum() < 1.04
    assert growth.min() < 0.98
    assert growth.max() > 1.03


def test_within_a_store_conditions_hardly_move_with_sales(panel):
    for name in set(CONDITIONS) - {"Holiday_Flag"}:
        condition = panel.conditions[name]
        correlations = [np.corrcoef(condition[s], panel.y[s])[0, 1] for s in range(45)]
        assert abs(np.mean(correlations)) < 0.2


# Events


def test_the_peak_of_a_year_is_the_week_before_the_flagged_christmas(panel):
    sales = panel.y.sum(axis=0)
    expected = ["2010-12-24", "2011-12-23"]
    assert expected == np.sort(panel.periods[np.argsort(sales)[-2:]]).astype(str).tolist()
    assert (chain_sales(panel, "2010-12-31", "2011-12-30") < sales.mean()).all()


def test_the_flagged_christmas_week_sells_more_when_a_shopping_day_before_it_is_inside(panel):
    without, with_one_day = chain_sales(panel, "2010-12-31", "2011-12-30")
    assert with_one_day > 1.05 * without


def test_thanksgiving_is_the_flagged_peak_and_the_other_flagged_weeks_are_mild(panel):
    mean = panel.y.mean(axis=1).sum()
    assert (chain_sales(panel, "2010-11-26", "2011-11-25") > 1.2 * mean).all()
    mild = chain_sales(panel, "2011-02-11", "2012-02-10", "2010-09-10", "2011-09-09")
    assert (np.abs(mild / mean - 1) < 0.1).all()


@pytest.mark.parametrize(
    ("easter_week", "same_season_without"),
    [
        ("2010-04-02", ("2011-04-01",)),
        ("2011-04-22", ("2010-04-23", "2012-04-20")),
        ("2012-04-06", ("2010-04-09", "2011-04-08")),
    ],
)
def test_the_unflagged_week_before_easter_sells_more(panel, easter_week, same_season_without):
    with_easter = chain_sales(panel, easter_week)[0]
    assert with_easter > 1.04 * chain_sales(panel, *same_season_without).mean()


# The story: what the score tables of real data say, the sample says too


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On busy cores the threads of linear algebra wait for each other: ten times slower."""
    with threadpool_limits(limits=1):
        yield


@dataclass(frozen=True)
class CalendarAware:
    """Growth as of the last 8 weeks, measured and continued without the calendar's part."""

    name: str = "calendar_aware"

    def fit(self, panel: Panel) -> FittedCalendarAware:
        return FittedCalendarAware(fit_profile(panel))


@dataclass(frozen=True)
class FittedCalendarAware:
    profile: CalendarProfile

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        del conditions
        names = history.series
        adjusted = np.log(history.y) - self.profile.at(names, history.periods)
        growth = (adjusted[:, -8:] - adjusted[:, -8 - YEAR : -YEAR]).mean(axis=1)
        last_year = adjusted[:, -YEAR : horizon - YEAR]
        calendar = self.profile.at(names, history.after(horizon))
        return np.exp(last_year + growth[:, None] + calendar)


def wmae(
    forecaster: Forecaster, panel: Panel, *, horizon: int, windows: int, step: int, refit: int
) -> float:
    """Rolling origins, week by week: the slow and obvious way.

    The conditions of the target are given for one step only: further ahead nobody knows them.
    """
    first = panel.n_periods - horizon - windows * step
    errors, weights = 0.0, 0.0
    fitted: FittedForecaster | None = None
    for window in range(windows):
        end = first + window * step + 1
        past, target = panel.until(panel.periods[end - 1]), slice(end, end + horizon)
        if fitted is None or window % refit == 0:
            fitted = forecaster.fit(past)
        conditions = {name: values[:, target] for name, values in panel.conditions.items()}
        predicted = fitted.predict(past, horizon, conditions if horizon == 1 else None)
        weight = 1 + 4 * panel.conditions["Holiday_Flag"][:, target]
        errors += float((weight * np.abs(predicted - panel.y[:, target])).sum())
        weights += float(weight.sum())
    return errors / weights


def one_step(forecaster: Forecaster, panel: Panel) -> float:
    return wmae(forecaster, panel, horizon=1, windows=39, step=1, refit=13)


def eight_steps(forecaster: Forecaster, panel: Panel) -> float:
    return wmae(forecaster, panel, horizon=8, windows=8, step=4, refit=1)


# To its end the sample holds no Christmas in the windows; cut here it holds one.
with_and_without_christmas = pytest.mark.parametrize("last_week", ["2012-07-27", "2012-10-26"])


@pytest.mark.parametrize("protocol", [one_step, eight_steps])
@with_and_without_christmas
def test_each_step_towards_the_calendar_scores_better(panel, last_week, protocol):
    past = panel.until(np.datetime64(last_week))
    naive, seasonal, growth, calendar = (
        protocol(forecaster, past)
        for forecaster in (LAST_VALUE, SEASONAL_NAIVE, GROWTH, CalendarAware())
    )
    assert seasonal < 0.8 * naive
    assert growth < 0.95 * seasonal
    assert calendar < 0.85 * growth


@pytest.mark.usefixtures("one_thread")
@with_and_without_christmas
def test_common_trees_lose_to_last_year_times_growth(panel, last_week):
    past = panel.until(np.datetime64(last_week)).select(panel.series[::3])
    assert one_step(CommonTrees(), past) > 1.1 * one_step(GROWTH, past)


@pytest.mark.usefixtures("one_thread")
@with_and_without_christmas
def test_common_arima_loses_to_last_year_times_growth(panel, last_week):
    past = panel.until(np.datetime64(last_week)).select(panel.series[::5])
    assert eight_steps(CommonArima(), past) > 1.2 * eight_steps(GROWTH, past)


def test_on_the_real_file_the_same_windows_give_the_published_scores(walmart_csv):
    table = np.genfromtxt(walmart_csv, delimiter=",", skip_header=1, dtype=None, encoding="ascii")
    store, day, sales, flag = (table[name] for name in ("f0", "f1", "f2", "f3"))
    week = np.array(["-".join(reversed(text.split("-"))) for text in day], dtype="datetime64[D]")
    real = Panel.from_rows(store, week, sales, {"Holiday_Flag": flag.astype(float)})
    assert one_step(GROWTH, real) == pytest.approx(55_840, abs=1)
    assert eight_steps(GROWTH, real) == pytest.approx(59_461, abs=1)
