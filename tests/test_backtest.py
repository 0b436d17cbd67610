"""The backtest: windows by hand, what models may see, and the table that comes of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales_forecast.data.files.layouts import read_sales
from sales_forecast.data.panel import CONDITIONS, Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import KEY_COLUMNS, backtest
from sales_forecast.evaluation.judged import score_models
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.protocols import MANY_STEPS, ONE_STEP, PROTOCOLS, RollingOrigin
from sales_forecast.evaluation.scoring import (
    QUANTILES,
    known_weeks,
    measured_spread,
    models_in,
    scores,
    with_quantiles,
)
from sales_forecast.models.asked import Asked
from sales_forecast.models.averages import AVERAGES
from sales_forecast.models.base import FutureConditions
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.ensemble import MEMBERS
from sales_forecast.models.naive import BASELINES, LAST_VALUE
from sales_forecast.models.ridge import RIDGE
from sales_forecast.models.spread import SpreadByAge
from tests.builders import one_thread, panel_of, sample_panel, table_of, with_sales


@dataclass(frozen=True, eq=False)
class Spy:
    """Predicts the number of weeks it was fitted on, and remembers what it was shown."""

    name: str = "spy"
    seen: list[tuple[Panel, int, FutureConditions | None]] = field(default_factory=list)
    fitted: list[Panel] = field(default_factory=list)

    def fit(self, panel: Panel) -> FittedSpy:
        self.fitted.append(panel)
        return FittedSpy(self, panel.n_periods)


@dataclass(frozen=True)
class FittedSpy:
    spy: Spy
    weeks: int

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        self.spy.seen.append((history, horizon, conditions))
        return np.full((history.n_series, horizon), float(self.weeks))


@dataclass(frozen=True)
class Vandal:
    """Wipes out the last week of the history that it is shown."""

    name: str = "vandal"

    def fit(self, panel: Panel) -> Vandal:
        del panel
        return self

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        del conditions
        history.y[:, -1] = np.nan
        return np.ones((history.n_series, horizon))


def days(cutoffs: np.ndarray) -> list[str]:
    return [str(day) for day in cutoffs]


# Windows


def test_one_step_has_39_cutoffs_a_week_apart():
    cutoffs = days(ONE_STEP.cutoffs(sample_panel(1, n_weeks=130)))
    assert 39 == len(cutoffs)
    assert ["2011-10-28", "2011-11-04"] == cutoffs[:2]
    assert "2012-07-20" == cutoffs[-1]


def test_many_steps_has_8_cutoffs_four_weeks_apart_from_the_same_week_on():
    expected = [
        "2011-10-28", "2011-11-25", "2011-12-23", "2012-01-20",
        "2012-02-17", "2012-03-16", "2012-04-13", "2012-05-11",
    ]  # fmt: skip
    assert expected == days(MANY_STEPS.cutoffs(sample_panel(1, n_weeks=130)))


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        # Ten weeks: 01-06, 01-13, 01-20, 01-27, 02-03, 02-10, 02-17, 02-24, 03-02, 03-09.
        (RollingOrigin(horizon=1, windows=1, step=1), ["2012-03-02"]),
        (RollingOrigin(horizon=1, windows=9, step=1), None),  # first: 01-06, checked below
        (RollingOrigin(horizon=3, windows=2, step=2), ["2012-01-27", "2012-02-10"]),
        (RollingOrigin(horizon=2, windows=2, step=3), ["2012-01-20", "2012-02-10"]),
    ],
)
def test_cutoffs_of_ten_weeks_by_hand(split, expected):
    panel = panel_of(np.ones(10), first="2012-01-06")
    expected = expected or days(panel.periods[:9])
    assert expected == days(split.cutoffs(panel))


def test_one_week_too_few_is_refused_with_both_numbers_and_the_remedy():
    split = RollingOrigin(horizon=8, windows=8, step=4)
    assert 8 == len(split.cutoffs(panel_of(np.ones(40))))
    with pytest.raises(NotEnoughData) as refused:
        split.cutoffs(panel_of(np.ones(39)))
    assert (
        "8 windows of 8 weeks, 4 apart, need more than 39 weeks of sales; there are 39. "
        "Reduce `windows`, `step` or `horizon`."
    ) == refused.value.message
    assert {"weeks": 39, "needed": 40} == refused.value.fields


@pytest.mark.parametrize(
    ("n_weeks", "works"),
    [
        (30, ""),
        (60, "--horizon 4 --windows 1 --step 1; or "),
        (58, "--horizon 2 --windows 1 --step 1; or "),
        (64, "--horizon 4 --windows 1 --step 4; or "),
        (68, "--horizon 4 --windows 2 --step 4; or "),
    ],
)
def test_too_short_a_history_is_counted_and_told_what_works(n_weeks: int, works: str) -> None:
    panel, models = sample_panel(2, n_weeks), [*BASELINES[:1], RIDGE, *AVERAGES[:1]]
    with pytest.raises(NotEnoughData) as refused:
        backtest(panel, models, RollingOrigin(4, 3, 4))
    known = n_weeks - 15
    assert refused.value.message == (
        "A regression needs a series with at least 56 weeks of sales to learn from; the longest has"
        f" {known}. Load at least {56 - known} more. Of the {n_weeks} weeks here, {known} are known"
        f" before the first of 3 windows. This works: {works}--models naive,moving_average."
    )
    if works:
        backtest(panel, models, RollingOrigin(*(int(of) for of in re.findall("[0-9]+", works))))


@pytest.mark.parametrize("name", ["horizon", "windows", "step"])
def test_a_protocol_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        RollingOrigin(**{"horizon": 1, "windows": 1, "step": 1, name: 0})


@pytest.mark.parametrize(
    ("weeks", "windows"), [(1000, 8), (39, 8), (38, 7), (35, 7), (34, 6), (11, 1), (10, None)]
)
def test_a_protocol_shrinks_to_what_the_weeks_hold(weeks, windows):
    expected = windows and RollingOrigin(horizon=8, windows=windows, step=4)
    assert expected == MANY_STEPS.within(weeks)


def test_a_protocol_says_what_it_is():
    assert (
        "8 weeks ahead, 8 windows 4 weeks apart, cutoffs 2011-10-28 .. 2012-05-11, 2 series"
    ) == MANY_STEPS.describe(sample_panel(2, n_weeks=130))


@pytest.mark.parametrize("split", [ONE_STEP, MANY_STEPS, RollingOrigin(3, 4, 2)])
def test_the_newest_weeks_that_no_window_has_are_said(split: RollingOrigin) -> None:
    panel = sample_panel(1, n_weeks=130)
    last = split.cutoffs(panel)[-1] + split.horizon * np.timedelta64(7, "D")
    left = panel.periods[panel.periods > last]
    said = split.left_out(panel)
    assert bool(said) is bool(left.size)
    if said:
        assert f"newest {len(left)} week" in said[0]
        assert f"from {left[0]} on" in said[0]


# What a model sees


def test_a_model_sees_the_history_up_to_the_cutoff_and_not_a_week_more():
    panel, spy = sample_panel(2), Spy()
    split = RollingOrigin(horizon=3, windows=4, step=2)
    backtest(panel, [spy], split)
    for cutoff, (history, horizon, conditions) in zip(split.cutoffs(panel), spy.seen, strict=True):
        assert panel.until(cutoff).fingerprint == history.fingerprint
        assert 3 == horizon
        assert conditions is None  # nobody knows the weather three weeks ahead


def test_one_week_ahead_the_conditions_of_that_week_are_given():
    panel, spy = sample_panel(2), Spy()
    backtest(panel, [spy], RollingOrigin(horizon=1, windows=3, step=1))
    for week, (_, _, conditions) in zip([140, 141, 142], spy.seen, strict=True):
        assert set(CONDITIONS) == conditions.keys()
        for name, values in conditions.items():
            np.testing.assert_array_equal(panel.conditions[name][:, week : week + 1], values)


def test_models_are_fitted_anew_every_4_weeks():
    panel, spy = panel_of(np.ones(60)), Spy()
    table = backtest(panel, [spy], RollingOrigin(horizon=1, windows=10, step=1))
    assert [50, 54, 58] == [fitted.n_periods for fitted in spy.fitted]
    assert [50.0] * 4 + [54.0] * 4 + [58.0] * 2 == table["spy"].tolist()


def test_models_are_fitted_anew_at_the_first_cutoff_that_is_4_weeks_later():
    panel, spy = panel_of(np.ones(60)), Spy()
    backtest(panel, [spy], RollingOrigin(horizon=1, windows=6, step=3))
    assert [42, 48, 54] == [fitted.n_periods for fitted in spy.fitted]


def test_two_protocols_with_the_same_cutoffs_fit_a_model_once():
    panel, spy = panel_of(np.ones(60)), Spy()
    for split in (RollingOrigin(1, 8, 1), RollingOrigin(5, 1, 4)):
        backtest(panel, [spy], split)
    assert [52, 56] == [fitted.n_periods for fitted in spy.fitted]


def test_progress_is_told_in_sentences():
    told: list[str] = []
    backtest(panel_of(np.ones(9)), BASELINES[:2], RollingOrigin(1, 2, 1), told.append)
    assert [
        "window 1 of 2: fitting naive",
        "window 1 of 2: fitting seasonal_naive",
        "window 1 of 2: predicting",
        "window 2 of 2: predicting",
    ] == told


# The table


def test_the_table_holds_each_series_cutoff_and_step_once_with_what_was_sold():
    panel = sample_panel(3)
    table = backtest(panel, [LAST_VALUE], RollingOrigin(horizon=4, windows=3, step=2))
    expected = [
        (series, cutoff, cutoff + step, step, panel.y[row, cutoff + step], panel.y[row, cutoff])
        for cutoff in (133, 135, 137)
        for row, series in enumerate(panel.series)
        for step in (1, 2, 3, 4)
    ]
    assert ["unique_id", "cutoff", "ds", "step", "y", "holiday", "naive"] == [*table.columns]
    week = {np.datetime64(day): position for position, day in enumerate(panel.periods)}
    found = [
        (row.unique_id, week[row.cutoff.to_datetime64()], week[row.ds.to_datetime64()],
         row.step, row.y, row.naive)
        for row in table.itertuples()
    ]  # fmt: skip
    assert expected == found


def test_holiday_weeks_are_marked():
    panel = sample_panel(2, n_weeks=102)  # to 2012-01-13
    table = backtest(panel, [LAST_VALUE], RollingOrigin(horizon=1, windows=10, step=1))
    flagged = table.loc[table["holiday"] == 1, "ds"].dt.strftime("%Y-%m-%d")
    assert ["2011-11-25", "2011-11-25", "2011-12-30", "2011-12-30"] == flagged.tolist()


def test_a_panel_without_flags_has_no_holidays():
    panel = replace(sample_panel(1), conditions={})
    table = backtest(panel, [LAST_VALUE], RollingOrigin(horizon=2, windows=30, step=1))
    assert [0.0] == table["holiday"].unique().tolist()


def test_weeks_without_sales_are_not_judged():
    panel = with_sales(sample_panel(3), series=1, first=140, stop=142, sales=np.nan)
    table = backtest(panel, [LAST_VALUE], RollingOrigin(horizon=4, windows=2, step=1))
    # Windows over the weeks 138..141 and 139..142, the store lacks 140 and 141 in both.
    assert 3 * 8 - 2 * 2 == len(table)
    assert 4 == (table["unique_id"] == "2").sum()


def test_a_store_that_opens_inside_a_window_is_expected_to_sell_what_the_others_are():
    panel = with_sales(sample_panel(2), series=0, first=0, stop=140, sales=np.nan)
    table = backtest(panel, BASELINES, RollingOrigin(horizon=1, windows=3, step=1))
    opening = table[table["ds"] == panel.periods[140]].set_index("unique_id")
    for model in models_in(table):
        assert opening.loc["1", model] == pytest.approx(opening.loc["2", model])
    assert {"1": 3, "2": 3} == table["unique_id"].value_counts().to_dict()


def test_a_model_that_damages_the_panel_is_found_out():
    with pytest.raises(AssertionError, match="the backtest has 2 rows, 1 were to be predicted"):
        backtest(panel_of(np.ones(20)), [Vandal()], RollingOrigin(horizon=1, windows=2, step=1))


@pytest.mark.parametrize("chance", [1.0, 0.7])
def test_models_are_the_columns_that_are_neither_keys_nor_stand_beside_a_model(chance):
    table = table_of([1.0, 2.0], {"naive": [1, 1], "rf_xgb_mean": [2, 2]})
    table["naive_chance"] = chance
    found = with_quantiles(table)
    beside = {"naive_lo_80", "naive_mean", "rf_xgb_mean_q20", "rf_xgb_mean_mean"}
    assert beside <= {*found.columns}
    assert (chance < 1) == ({"naive_if_sold", "naive_chance"} <= {*found.columns})
    assert ["naive", "rf_xgb_mean"] == models_in(found) == models_in(table)


# Intervals


def sample_table() -> pd.DataFrame:
    """Three stores, 30 windows of four weeks, a week apart."""
    return backtest(sample_panel(3), BASELINES, RollingOrigin(horizon=4, windows=30, step=1))


def test_a_window_has_intervals_as_soon_as_enough_weeks_have_ended():
    table = with_quantiles(sample_table())
    window = table.groupby("cutoff").ngroup() + 1
    first = window[table["naive_lo_80"].notna()].groupby(table["step"]).min()
    # Three stores: by the fifth window 3 * (4 + 3 + 2 + 1) predictions of up to four steps can be
    # judged; 30 are enough, of whatever steps.
    assert dict.fromkeys((1, 2, 3, 4), 5) == first.to_dict()
    early = window < table["step"].map(first)
    assert table.loc[early, ["naive_lo_80", "naive_hi_80"]].isna().all(axis=None)
    assert table.loc[~early, ["naive_lo_80", "naive_hi_80"]].notna().all(axis=None)


def test_an_interval_is_measured_on_nothing_but_weeks_that_had_ended_by_the_cutoff():
    table = with_quantiles(sample_table())
    for row in table.iloc[::37].itertuples():
        ended = table[table["ds"] <= row.cutoff]
        spread = measured_spread(ended, None, "seasonal_naive")
        found = row.seasonal_naive * factors(spread, row.unique_id, row.step)
        expected = {end: getattr(row, f"seasonal_naive{end}", None) for end in QUANTILES}
        expected["_q50"] = row.seasonal_naive
        np.testing.assert_array_equal(found, [*expected.values()])
        assert row.seasonal_naive_mean == spread.mean * row.seasonal_naive


def test_later_sales_change_no_interval_of_an_earlier_window():
    table = sample_table()
    cutoff = table["cutoff"].unique()[20]
    later = table["ds"] > cutoff
    changed = table.assign(y=table["y"].where(~later, 7 * table["y"]))
    until = table["cutoff"] <= cutoff
    said = [name for name in with_quantiles(table).columns if name not in KEY_COLUMNS]
    assert {"naive", "naive_mean", "naive_lo_80", "naive_q70"} < {*said}
    pd.testing.assert_frame_equal(
        with_quantiles(table).loc[until, said], with_quantiles(changed).loc[until, said]
    )
    for name in ("naive_mean", "naive_lo_80", "naive_q70"):
        assert not with_quantiles(table)[name].equals(with_quantiles(changed)[name])


def factors(spread: SpreadByAge, name: str, step: int, chance: float = 1.0) -> Array:
    """Those of all `QUANTILES`, of a series of a year or more."""
    one = Asked(
        [name], np.zeros(1, np.intp), np.zeros(1, np.int8), np.array([step]), np.array([chance])
    )
    return spread.factors([*QUANTILES.values()], one)[0]


def test_what_may_be_nothing_is_told_by_its_chance_and_by_what_is_sold_if_anything_is():
    rng = np.random.default_rng(0)
    chance = np.tile([0.4, 0.9], 100)
    y = np.where(rng.random(200) < chance, 100 * rng.lognormal(0, 0.1, 200), 0.0)
    table = table_of(y, {"m": np.full(200, 100.0), "m_chance": chance})
    found = with_quantiles(table)
    np.testing.assert_array_equal(table["m"], found["m_if_sold"])
    np.testing.assert_array_equal(chance, found["m_chance"])
    unlikely, likely = found.iloc[-2], found.iloc[-1]
    assert 0.0 == unlikely["m"] == unlikely["m_lo_80"] < unlikely["m_hi_80"]
    assert 0.0 < likely["m_q20"] < likely["m"] < 100 < likely["m_hi_80"]
    spread = measured_spread(found[found["ds"] <= likely["cutoff"]], None, "m")
    assert pytest.approx(90 * spread.mean) == likely["m_mean"]
    assert (
        pytest.approx(40 * measured_spread(found.iloc[:-2], None, "m").mean) == (unlikely["m_mean"])
    )
    ours = 100 * factors(spread, "1", 1, 0.9)
    np.testing.assert_allclose(ours[[1, -2]], likely[["m_lo_80", "m_hi_80"]].astype(float))


def ends(table: pd.DataFrame) -> tuple[float, float]:
    """The 80% factors of one step that a table of one store gives, as if of one window."""
    table = table.assign(cutoff=table["cutoff"].iloc[0])
    found = factors(measured_spread(table, None, "m"), "1", 1)
    at = [*QUANTILES.values()]
    return found[at.index(0.1)], found[at.index(0.9)]


def test_residuals_are_sales_over_prediction():
    y = np.linspace(50.0, 150.0, 101)
    table = table_of(y, {"m": np.full(101, 100.0)})
    assert (pytest.approx(0.6), pytest.approx(1.4)) == ends(table)


def test_returns_count_as_a_sudden_nothing_and_predictions_of_nothing_do_not_count():
    sold = [np.full(10, -10.0), np.full(20, 100.0), np.full(10, 200.0)]
    y = np.concatenate([*sold, np.full(60, 1e9)])
    prediction = np.concatenate([np.full(40, 100.0), np.zeros(30), np.full(30, -1.0)])
    expected = (pytest.approx(np.exp(-2.0)), pytest.approx(2.0))
    assert expected == ends(table_of(y, {"m": prediction}))


def test_the_lower_end_of_a_negative_prediction_is_the_lower_one():
    y = np.tile([80.0, 100.0, 125.0], 20)
    table = with_quantiles(table_of(y, {"m": np.append(np.full(59, 100.0), -300.0)}))
    last = table.iloc[-1]
    assert last["m_lo_80"] < -300 < last["m_hi_80"] < 0


# Scores


def test_every_model_has_scores():
    table = table_of(
        [100, 200], {"good": [100, 190], "bad": [0, 0]}, holiday=[0, 1], first="2012-02-03"
    )
    found = scores(with_quantiles(table))
    assert ["good", "bad"] == [*found]
    assert (10 * 5 / 6, 5.0, 10.0) == (
        found["good"].wmae,
        found["good"].mae,
        found["good"].mae_holiday,
    )
    assert 1.0 == found["bad"].wape


# Real sales, and the sample that has to tell the same story


def both_protocols(panel: Panel) -> Mapping[str, Mapping[str, Scores]]:
    """The scores of all models under both protocols, all in one go: they take the longest."""
    with one_thread():
        tables = {
            name: score_models(panel, ALL_FORECASTERS, split, lambda _: None)
            for name, split in PROTOCOLS.items()
        }
    assert [45 * 39, 45 * 64] == [len(table) for table in tables.values()]
    return {name: scores(table) for name, table in tables.items()}


@pytest.fixture(scope="module")
def real_scores(walmart_csv: Path) -> Mapping[str, Mapping[str, Scores]]:
    return both_protocols(read_sales(walmart_csv).to_panel())


@pytest.fixture(scope="module")
def sample_scores() -> Mapping[str, Mapping[str, Scores]]:
    return both_protocols(sample_panel(45))


@pytest.mark.parametrize(
    ("protocol", "model", "wmae"),
    [
        ("one_step", "naive", 179_733),
        ("one_step", "seasonal_naive", 66_964),
        ("one_step", "seasonal_naive_growth", 55_840),
        ("many_steps", "seasonal_naive", 69_541),
        ("many_steps", "seasonal_naive_growth", 59_461),
    ],
)
def test_baselines_score_on_real_sales_what_they_are_known_to(real_scores, protocol, model, wmae):
    assert wmae == round(real_scores[protocol][model].wmae)


@pytest.mark.parametrize(
    ("protocol", "model", "wmae", "wape"),
    [
        ("one_step", "arima", 35_500, 0.030),
        ("one_step", "rf_xgb_mean", 35_700, 0.030),
        ("one_step", "ensemble", 35_000, 0.029),
        ("many_steps", "rf_xgb_mean", 37_000, 0.032),
        ("many_steps", "arima", 37_000, 0.032),
        ("many_steps", "ensemble", 36_600, 0.032),
    ],
)
def test_what_answers_errs_no_more_on_real_sales_than_it_is_meant_to(
    real_scores, protocol, model, wmae, wape
):
    assert real_scores[protocol][model].wmae <= wmae
    assert round(real_scores[protocol][model].wape, 4) <= wape


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_intervals_of_what_answers_hold_what_they_promise_on_real_sales(real_scores, protocol):
    for model in ("rf_xgb_mean", "arima", "pooled"):
        assert 0.76 <= real_scores[protocol][model].coverage_80 <= 0.84
        assert 0.93 <= real_scores[protocol][model].coverage_95 <= 0.97


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_ensemble_errs_no_more_on_real_sales_than_its_best_member(real_scores, protocol):
    members = min(real_scores[protocol][member.name].wmae for member in MEMBERS)
    assert real_scores[protocol]["ensemble"].wmae <= members


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("data", ["real_scores", "sample_scores"])
def test_the_models_come_in_the_same_order_on_the_sample_and_on_real_sales(data, protocol, request):
    found = request.getfixturevalue(data)[protocol]
    order = (
        {
            "arima",
            "pooled",
            "ensemble",
            "random_forest",
            "xgboost",
            "rf_xgb_mean",
            "ets",
            "ridge",
        },
        {"seasonal_naive_growth"},
        {"seasonal_naive"},
        {"seasonal_average"},
        {"moving_average"},
        {"naive"},
    )
    assert {"tsb"}.union(*order) == set(found)
    # A rule for slow movers: where it stands depends on how much of sales is a season.
    assert found["seasonal_naive"].wmae < found["tsb"].wmae < found["naive"].wmae
    for better, worse in itertools.pairwise(order):
        assert max(found[name].wmae for name in better) < min(found[name].wmae for name in worse)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_on_real_sales_what_answers_comes_before_ets_and_ridge(real_scores, protocol):
    found = real_scores[protocol]
    better = ("arima", "pooled", "ensemble", "random_forest", "xgboost", "rf_xgb_mean")
    worse = min(found[name].wmae for name in ("ets", "ridge"))
    assert max(found[name].wmae for name in better) < worse


def test_series_of_less_than_a_year_are_measured_together_and_apart_from_others():
    panel = sample_panel(9)
    y = panel.y.copy()
    y[:4, :95] = np.nan  # known for less than a year at every cutoff
    y[:4] *= np.random.default_rng(0).lognormal(0, 0.5, (4, panel.n_periods))
    panel = replace(panel, y=y)
    table = backtest(panel, [LAST_VALUE], RollingOrigin(horizon=4, windows=8, step=4))
    young = known_weeks(panel, table) < 52
    assert set("1234") == set(table["unique_id"][young])
    assert 95 + 52 > panel.n_periods

    found = with_quantiles(table, panel)
    assert found["unique_id"].tolist() == table["unique_id"].tolist()
    last = (found["cutoff"] == found["cutoff"].max()).to_numpy()
    reach = (found["naive_hi_80"] - found["naive_lo_80"]) / found["naive"]
    assert reach[last & young].min() > 3 * reach[last & ~young].max()
