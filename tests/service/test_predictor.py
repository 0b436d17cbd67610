"""The predictor: serving answers what the same models answer offline, and says what it doubts."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from sales_forecast.bundles.bundle import TREES, Bundle
from sales_forecast.bundles.manifest import Factors, StoredIntervals
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import BundleRefused, InvalidRequest, NotReady, UnknownStore
from sales_forecast.evaluation.protocols import MANY_STEPS_NAME, ONE_STEP_NAME
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.prediction.bounds import Bounds, interval
from sales_forecast.prediction.conformance import verify
from sales_forecast.prediction.engines import BaselineEngine
from sales_forecast.prediction.predictor import Predictor
from sales_forecast.training.challenger import Candidate, baseline_candidate, model_candidate
from sales_forecast.training.training import evaluate

USUAL = (0.0, 60.0, 3.0, 200.0, 8.0)
STORES = ["1", "2", "5", "9", "20", "33"]


def quiet(_: str) -> None:
    return


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_rows().to_panel().select(STORES)


@pytest.fixture(scope="module")
def candidate(panel: Panel) -> Candidate:
    return model_candidate(panel, "test", {}, quiet)


@pytest.fixture(scope="module")
def predictor(candidate: Candidate, panel: Panel) -> Predictor:
    return Predictor(Bundle(candidate.manifest, candidate.files[TREES]), panel)


def served_best(candidate: Candidate, best: str, **changes: object) -> Bundle:
    """The bundle, had the gate chosen this model."""
    answered_by = candidate.manifest.answered_by.model_copy(update={"best": best})
    update = {"answered_by": answered_by, **changes}
    return Bundle(candidate.manifest.model_copy(update=update), candidate.files[TREES])


def measured(lower: float, upper: float, **widths: float) -> StoredIntervals:
    """Intervals of 80% between two factors, and of 95% between their squares, at all 52 steps."""
    factors = {
        level: Factors(lower=(lower**power,) * 52, upper=(upper**power,) * 52)
        for level, power in ((80, 1), (95, 2))
    }
    return StoredIntervals(factors=factors, widths=widths)


def offline(
    candidate: Candidate, panel: Panel, store: str, week: int, conditions: list[float]
) -> tuple[float, float]:
    """Ask the fitted scikit-learn and XGBoost models, as a backtest does."""
    origin = min(week - 1, panel.n_periods - 1)
    history, horizon = panel.until(panel.periods[origin]), week - origin
    given = {
        name: np.full((panel.n_series, horizon), value)
        for name, value in zip(CONDITIONS, conditions, strict=True)
    }
    row = panel.positions[store]
    assert candidate.models is not None
    return (
        candidate.models.random_forest.predict(history, horizon, given)[row, -1],
        candidate.models.xgboost.predict(history, horizon, given)[row, -1],
    )


def test_the_service_answers_what_the_same_models_answer_offline(
    candidate: Candidate, panel: Panel, predictor: Predictor
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        store = str(rng.choice(STORES))
        week = int(rng.integers(1, panel.n_periods + 80))
        conditions = [float(rng.integers(0, 2)), *rng.uniform((-10, 2, 120, 3), (110, 5, 240, 15))]
        day = panel.first + timedelta(days=7 * week - int(rng.integers(0, 7)))
        answer = predictor.predict(int(store), day, conditions)
        random_forest, xgboost = offline(candidate, panel, store, week, conditions)
        assert answer.random_forest == pytest.approx(random_forest, rel=1e-4)
        assert answer.xgboost == pytest.approx(xgboost, rel=1e-4)
        assert answer.prediction == pytest.approx((random_forest + xgboost) / 2, rel=1e-4)
        assert panel.first + timedelta(days=7 * week) == answer.week_ending


def test_forecasts_are_those_of_the_fitted_arima(
    candidate: Candidate, panel: Panel, predictor: Predictor
) -> None:
    assert candidate.models is not None
    expected = candidate.models.arima.predict(panel, 52)
    for row, store in enumerate(STORES):
        weeks = predictor.forecast(int(store), 52)
        np.testing.assert_allclose([week.sales for week in weeks], expected[row], atol=0.01)
        ends = [panel.last + timedelta(weeks=step) for step in range(1, 53)]
        assert ends == [week.week_ending for week in weeks]
    assert list(predictor.forecast(1, 5)) == list(predictor.forecast(1, 52)[:5])


def test_the_best_forecast_is_that_of_the_fitted_model_with_its_own_intervals(
    candidate: Candidate, panel: Panel
) -> None:
    intervals = {**candidate.manifest.intervals, "pooled": measured(0.9, 1.2)}
    bundle = served_best(candidate, "pooled", intervals=intervals)
    for until in (panel, panel.until(panel.periods[-9])):
        predictor = Predictor(bundle, until)
        expected = POOLED.fit(panel).predict(until, 52)
        for row, store in enumerate(STORES):
            weeks = predictor.forecast(int(store), 52, "best")
            np.testing.assert_allclose([week.sales for week in weeks], expected[row], atol=0.01)
            bounds = [(week.lower, week.upper) for week in weeks]
            np.testing.assert_allclose(bounds, expected[row][:, None] * [0.9, 1.2], atol=0.02)
            wider = [
                (week.lower, week.upper) for week in predictor.forecast(int(store), 52, "best", 95)
            ]
            np.testing.assert_allclose(wider, expected[row][:, None] * [0.81, 1.44], atol=0.02)
    assert {"arima": "arima", "best": "pooled"} == predictor.forecasting
    assert "pooled" == predictor.describe()["answered_by"]["best"]


def test_where_arima_is_best_both_questions_have_one_answer(
    candidate: Candidate, panel: Panel, predictor: Predictor
) -> None:
    assert "arima" == candidate.manifest.answered_by.best
    for store in STORES:
        assert predictor.forecast(int(store), 52) == predictor.forecast(int(store), 52, "best")


def test_a_past_week_is_answered_as_it_would_have_been_the_week_before(
    candidate: Candidate, panel: Panel, predictor: Predictor
) -> None:
    day = date(2012, 4, 6)
    before = panel.until(day - timedelta(days=7))
    then = Predictor(Bundle(candidate.manifest, candidate.files[TREES]), before)
    assert then.predict(2, day, USUAL) == predictor.predict(2, day, USUAL)


def test_every_day_of_a_week_has_one_answer(predictor: Predictor) -> None:
    saturday = date(2012, 11, 3)
    answers = {predictor.predict(1, saturday + timedelta(days=n), USUAL) for n in range(7)}
    assert 1 == len(answers)
    assert date(2012, 11, 9) == answers.pop().week_ending


def test_new_weeks_move_the_answers_without_a_new_model(candidate: Candidate, panel: Panel) -> None:
    bundle = Bundle(candidate.manifest, candidate.files[TREES])
    before = Predictor(bundle, panel.until(panel.periods[-3]))
    after = Predictor(bundle, panel)
    assert after.origin == before.origin + timedelta(weeks=2)
    day = after.origin + timedelta(weeks=1)
    assert before.predict(1, day, USUAL).prediction != after.predict(1, day, USUAL).prediction
    assert day == after.forecast(1, 1)[0].week_ending


def test_usual_conditions_for_the_next_week_need_no_warning(
    panel: Panel, predictor: Predictor
) -> None:
    last = [float(panel.conditions[name][0, -1]) for name in CONDITIONS]
    answer = predictor.predict(1, predictor.origin + timedelta(days=3), last)
    assert () == answer.warnings


def test_a_condition_outside_what_was_seen_is_named_with_the_range(
    candidate: Candidate, predictor: Predictor
) -> None:
    low, high = candidate.manifest.condition_ranges["Temperature"]
    answer = predictor.predict(1, date(2012, 11, 3), (0, 151.5, *USUAL[2:]))
    (warning,) = answer.warnings
    assert (
        f"Temperature 151.5 is outside what the models were trained on ({low:g} to {high:g})."
        == warning
    )


def test_beyond_a_year_the_answer_says_how_far_beyond_it_is(predictor: Predictor) -> None:
    day = predictor.origin + timedelta(weeks=53)
    (warning,) = predictor.predict(1, day, USUAL).warnings
    assert f"The week ending {day} is 53 weeks after the last known one" in warning
    assert () == predictor.predict(1, day - timedelta(weeks=1), USUAL).warnings


def test_the_farthest_day_is_answered_if_its_week_has_an_end(
    candidate: Candidate, panel: Panel, predictor: Predictor
) -> None:
    answer = predictor.predict(1, date.max, USUAL)
    assert math.isfinite(answer.prediction)
    a_day_later = replace(panel, periods=panel.periods + np.timedelta64(1, "D"))
    until_saturday = Predictor(Bundle(candidate.manifest, candidate.files[TREES]), a_day_later)
    with pytest.raises(InvalidRequest, match="ends after 9999-12-31"):
        until_saturday.predict(1, date.max, USUAL)


def test_a_week_of_the_first_year_is_answered_from_the_week_before_and_says_so(
    predictor: Predictor,
) -> None:
    answer = predictor.predict(1, date(2010, 6, 1), USUAL)
    (warning,) = answer.warnings
    assert "a year before the week ending 2010-06-04 are not known" in warning


@pytest.mark.parametrize("day", [date(2010, 2, 5), date(2010, 1, 30), date(1900, 1, 1)])
def test_a_day_without_a_known_week_before_it_is_refused(predictor: Predictor, day: date) -> None:
    with pytest.raises(InvalidRequest, match="earliest week that can be answered ends 2010-02-12"):
        predictor.predict(1, day, USUAL)


def test_an_unknown_store_is_refused_with_the_known_ones(predictor: Predictor) -> None:
    expected = "Store 99 is not in the model. Known stores: 1-2, 5, 9, 20, 33."
    with pytest.raises(UnknownStore) as of_predict:
        predictor.predict(99, date(2012, 11, 3), USUAL)
    assert expected == of_predict.value.message
    assert {"Store": 99} == of_predict.value.fields
    with pytest.raises(UnknownStore) as of_forecast:
        predictor.forecast(99, 5)
    assert {"store_id": 99} == of_forecast.value.fields


@pytest.mark.parametrize("steps", [0, 53])
def test_steps_out_of_range_are_refused(predictor: Predictor, steps: int) -> None:
    with pytest.raises(InvalidRequest, match=f"1 to 52, not {steps}"):
        predictor.forecast(1, steps)


def test_a_store_without_any_positive_sales_is_refused_not_guessed(
    candidate: Candidate, panel: Panel
) -> None:
    y = panel.y.copy()
    y[panel.positions["5"]] = np.nan
    intervals = dict.fromkeys(("rf_xgb_mean", "arima", "pooled"), measured(1, 1))
    bundle = served_best(candidate, "pooled", intervals=intervals)
    predictor = Predictor(bundle, replace(panel, y=y))
    with pytest.raises(InvalidRequest, match="Store 5 has no known sales"):
        predictor.predict(5, date(2012, 11, 3), USUAL)
    for choice in ("arima", "best"):
        with pytest.raises(InvalidRequest, match="Store 5 has no known sales"):
            predictor.forecast(5, 5, choice)
    assert predictor.predict(1, date(2012, 11, 3), USUAL).prediction > 0


def test_a_history_of_other_stores_is_not_ready(candidate: Candidate) -> None:
    others = sample_rows().to_panel().select(["3", "4"])
    with pytest.raises(NotReady, match="none of the 6 stores"):
        Predictor(Bundle(candidate.manifest, candidate.files[TREES]), others)


def test_intervals_hold_the_prediction_and_widen_with_the_step(panel: Panel) -> None:
    tables = evaluate(panel.select(["1", "2"]), quiet)
    note = "The baseline answers."
    candidate = baseline_candidate(panel, "test", tables, note)
    predictor = Predictor(Bundle(candidate.manifest, b""), panel)
    weeks = predictor.forecast(1, 52)
    widths = [(week.upper - week.lower) / week.sales for week in weeks]
    assert all(week.lower <= week.sales <= week.upper for week in weeks)
    assert sorted(widths) == pytest.approx(widths, rel=1e-6)
    answer = predictor.predict(1, weeks[0].week_ending, USUAL)
    assert answer.interval_80 is not None
    assert answer.interval_80[0] <= answer.prediction <= answer.interval_80[1]
    assert {ONE_STEP_NAME, MANY_STEPS_NAME} == set(predictor.describe()["scores"])
    assert (note,) == answer.warnings == predictor.warnings


def test_a_series_that_strays_further_gets_a_wider_interval(
    candidate: Candidate, panel: Panel
) -> None:
    model = measured(0.9, 1.2, **{"1": 2.0})
    intervals = dict.fromkeys(("rf_xgb_mean", "arima", "pooled"), model)
    predictor = Predictor(served_best(candidate, "pooled", intervals=intervals), panel)
    day = panel.last + timedelta(weeks=1)
    for store, narrow, wide in ((1, (0.8, 1.4), (0.62, 1.88)), (2, (0.9, 1.2), (0.81, 1.44))):
        for steps in (1, 80):
            answer = predictor.predict(store, day if steps == 1 else day.replace(year=2015), USUAL)
            ends = np.array([answer.interval_80, answer.interval_95]) / answer.prediction
            if steps == 1:
                np.testing.assert_allclose(ends, [narrow, wide], atol=1e-6)
            assert ends[1, 0] < ends[0, 0] < 1 < ends[0, 1] < ends[1, 1]
        weeks = predictor.forecast(store, 52)
        assert pytest.approx(narrow[0], abs=1e-6) == weeks[0].lower / weeks[0].sales


def test_the_baseline_answers_last_year_times_growth(panel: Panel) -> None:
    candidate = baseline_candidate(panel, "test", {}, "note")
    predictor = Predictor(Bundle(candidate.manifest, b""), panel)
    ahead = GROWTH.predict(panel, 60)
    for step in (1, 52, 55):
        answer = predictor.predict(9, panel.last + timedelta(weeks=step), USUAL)
        assert round(float(ahead[panel.positions["9"], step - 1]), 2) == answer.prediction
        assert (None, None, None) == (answer.random_forest, answer.xgboost, answer.interval_80)
    past = panel.until(panel.periods[-5])
    answer = predictor.predict(9, past.last + timedelta(weeks=1), USUAL)
    assert round(float(GROWTH.predict(past, 1)[3, 0]), 2) == answer.prediction
    for choice in ("arima", "best"):
        weeks = predictor.forecast(1, 5, choice)
        assert ahead[0, :5].round(2).tolist() == [week.sales for week in weeks]
        assert "seasonal_naive_growth" == predictor.forecasting[choice]
    verify(Bundle(candidate.manifest, b""))


def test_a_bundle_made_for_other_features_is_refused(candidate: Candidate, panel: Panel) -> None:
    names = tuple(reversed(candidate.manifest.feature_names))
    other = candidate.manifest.model_copy(update={"feature_names": names})
    with pytest.raises(BundleRefused, match="other features"):
        Predictor(Bundle(other, candidate.files[TREES]), panel)


def test_a_graph_that_is_none_is_refused(candidate: Candidate, panel: Panel) -> None:
    with pytest.raises(BundleRefused, match="cannot be loaded"):
        Predictor(Bundle(candidate.manifest, b"not a graph"), panel)


def test_golden_rows_catch_a_changed_parameter(candidate: Candidate) -> None:
    verify(Bundle(candidate.manifest, candidate.files[TREES]))
    theta = {name: value * 0.5 for name, value in candidate.manifest.theta.items()}
    calendar = candidate.manifest.calendar
    assert calendar is not None
    chain = tuple(1.1 * weight for weight in calendar.chain)
    changed = calendar.model_copy(update={"chain": chain})
    for change in ({"theta": theta}, {"calendar": changed}):
        tampered = candidate.manifest.model_copy(update=change)
        with pytest.raises(BundleRefused, match="fails its golden rows"):
            verify(Bundle(tampered, candidate.files[TREES]))


# A store that has just opened


@pytest.fixture(scope="module")
def with_new(candidate: Candidate) -> tuple[Bundle, Panel]:
    """What is served, and a history with a store that opened three weeks ago."""
    panel = sample_rows().to_panel().select([*STORES, "40"])
    y = panel.y.copy()
    y[-1, :-3] = np.nan
    intervals = dict.fromkeys(("rf_xgb_mean", "arima", "pooled"), measured(0.9, 1.2))
    return served_best(candidate, "pooled", intervals=intervals), replace(panel, y=y)


def test_a_store_that_has_just_opened_is_answered_from_what_all_stores_do(
    with_new: tuple[Bundle, Panel],
) -> None:
    predictor = Predictor(*with_new)
    (level,) = with_new[1].y[-1:, -3:].mean(axis=1)
    answer = predictor.predict(40, date(2012, 11, 3), USUAL)
    assert 0.7 * level < answer.prediction < 1.4 * level
    for choice in ("arima", "best"):
        weeks = predictor.forecast(40, 9, choice)
        christmas, usual = (weeks[at].sales for at in (7, 1))
        assert christmas > 1.2 * usual > level  # it has seen no Christmas


def test_of_a_young_store_one_is_less_sure_and_says_so(with_new: tuple[Bundle, Panel]) -> None:
    predictor = Predictor(*with_new)
    says = "Only 3 weeks of sales of store 40 are known: answered from what all stores do"
    young = predictor.predict(40, date(2012, 11, 3), USUAL)
    old = predictor.predict(33, date(2012, 11, 3), USUAL)
    assert young.warnings[0].startswith(says)
    assert young.warnings[:1] == predictor.warnings_for(40)
    assert () == old.warnings == predictor.warnings_for(33)
    for of_young, of_old in ((young.interval_80, old.interval_80),
                             (young.interval_95, old.interval_95)):  # fmt: skip
        assert of_young is not None
        assert of_old is not None
        reach = [(high - low) / at.prediction
                 for (low, high), at in ((of_young, young), (of_old, old))]  # fmt: skip
        assert reach[0] > 1.1 * reach[1]
    # A Christmas that the store has not seen is told far less well than the week after next.
    for week, ratio in ((0, 1.1), (7, 1.8)):
        of_young, of_old = (predictor.forecast(store, 9, "best")[week] for store in (40, 33))
        assert of_old.lower == pytest.approx(0.9 * of_old.sales, rel=1e-6)
        assert of_young.lower is not None
        assert of_young.lower < (1 - 0.1 * ratio) * of_young.sales


def test_a_year_of_sales_is_enough(with_new: tuple[Bundle, Panel]) -> None:
    bundle, panel = with_new
    y = sample_rows().to_panel().select([*STORES, "40"]).y.copy()
    for weeks, warned in ((51, True), (52, False)):
        y[-1, :-weeks] = np.nan
        y[-1, -weeks:] = 1000.0
        assert warned == bool(Predictor(bundle, replace(panel, y=y)).warnings_for(40))


def test_the_growth_baseline_promises_no_interval_for_a_young_store(
    with_new: tuple[Bundle, Panel],
) -> None:
    _, panel = with_new
    wider = BaselineEngine(panel).widening()
    assert [1.0] * 6 == wider[:-1, 0].tolist()
    bounds = Bounds(measured(0.9, 1.2).intervals(), panel.series, wider)
    assert interval(100.0, bounds.at(80, 6, 1)) is None
    assert interval(100.0, bounds.at(80, 5, 1)) == (90.0, 120.0)
