"""The predictor: serving answers what the same models answer offline, and says what it doubts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.conformance import verify
from sales_forecast.data.panel import CONDITIONS, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import BundleRefused, InvalidRequest, UnknownStore
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import MANY_STEPS_NAME, ONE_STEP_NAME
from sales_forecast.models.ages import OLD, YOUNG
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.pooled import POOLED
from sales_forecast.models.spread import SpreadByAge
from sales_forecast.service.predictor import Predictor
from sales_forecast.training.challenger import Challenger, baseline_challenger, model_challenger
from sales_forecast.training.training import evaluate
from tests import trained
from tests.builders import spread_of, with_sales

USUAL = (0.0, 60.0, 3.0, 200.0, 8.0)
STORES = ["1", "2", "5", "9", "20", "33"]


def quiet(_: str) -> None:
    return


@pytest.fixture(scope="module")
def panel() -> Panel:
    return sample_rows().to_panel().select(STORES)


@pytest.fixture(scope="module")
def challenger(panel: Panel) -> Challenger:
    return model_challenger(panel, "test", {}, quiet)


@pytest.fixture(scope="module")
def bundle(challenger: Challenger) -> Bundle:
    return trained.read(challenger.sealed)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle, panel: Panel) -> Predictor:
    return Predictor(bundle, panel)


def baseline(panel: Panel, note: str = "note", tables: Tables | None = None) -> Bundle:
    return trained.read(baseline_challenger(panel, "test", tables or {}, note).sealed)


def with_pooled(
    bundle: Bundle, panel: Panel, spreads: Mapping[str, SpreadByAge] | None = None
) -> Bundle:
    """The bundle, had the gate chosen the pooled process, and had this been measured."""
    answered_by = bundle.manifest.answered_by.model_copy(update={"best": "pooled"})
    return replace(
        bundle,
        manifest=bundle.manifest.model_copy(update={"answered_by": answered_by}),
        models={**bundle.models, "pooled": POOLED.fit(panel)},
        spreads={**bundle.spreads, **(spreads or {})},
    )


def of_all(measured: SpreadByAge) -> dict[str, SpreadByAge]:
    return dict.fromkeys(("rf_xgb_mean", "arima", "pooled"), measured)


def measured(lower: float, upper: float, **widths: float) -> SpreadByAge:
    """80% between two factors, 95% between their squares, of series of a year; nothing else."""
    return SpreadByAge({OLD: spread_of(lower, upper, **widths)})


def offline(
    challenger: Challenger, panel: Panel, store: str, week: int, conditions: list[float]
) -> tuple[float, float]:
    """Ask the fitted scikit-learn and XGBoost models, as a backtest does."""
    origin = min(week - 1, panel.n_periods - 1)
    history, horizon = panel.until(panel.periods[origin]), week - origin
    given = {
        name: np.full((panel.n_series, horizon), value)
        for name, value in zip(CONDITIONS, conditions, strict=True)
    }
    row = panel.positions[store]
    random_forest, xgboost = (
        challenger.models[name].predict(history, horizon, given)[row, -1]
        for name in ("random_forest", "xgboost")
    )
    return random_forest, xgboost


def test_the_service_answers_what_the_same_models_answer_offline(
    challenger: Challenger, panel: Panel, predictor: Predictor
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        store = str(rng.choice(STORES))
        week = int(rng.integers(1, panel.n_periods + 80))
        conditions = [float(rng.integers(0, 2)), *rng.uniform((-10, 2, 120, 3), (110, 5, 240, 15))]
        day = panel.first + timedelta(days=7 * week - int(rng.integers(0, 7)))
        answer = predictor.predict((int(store),), day, conditions)
        random_forest, xgboost = offline(challenger, panel, store, week, conditions)
        assert answer.models == {
            "random_forest": pytest.approx(random_forest, rel=1e-4),
            "xgboost": pytest.approx(xgboost, rel=1e-4),
        }
        assert answer.prediction == pytest.approx((random_forest + xgboost) / 2, rel=1e-4)
        assert panel.first + timedelta(days=7 * week) == answer.period


def test_forecasts_are_those_of_the_fitted_arima(
    challenger: Challenger, panel: Panel, predictor: Predictor
) -> None:
    expected = challenger.models["arima"].predict(panel, 52)
    for row, store in enumerate(STORES):
        weeks = predictor.forecast((int(store),), 52)
        np.testing.assert_allclose([week.sales for week in weeks], expected[row], atol=0.01)
        ends = [panel.last + timedelta(weeks=step) for step in range(1, 53)]
        assert ends == [week.period for week in weeks]
    assert list(predictor.forecast((1,), 5)) == list(predictor.forecast((1,), 52)[:5])


def test_the_best_forecast_is_that_of_the_fitted_model_with_its_own_intervals(
    bundle: Bundle, panel: Panel
) -> None:
    bundle = with_pooled(bundle, panel, {"pooled": measured(0.9, 1.2)})
    for until in (panel, panel.until(panel.periods[-9])):
        predictor = Predictor(bundle, until)
        expected = POOLED.fit(panel).predict(until, 52)
        for row, store in enumerate(STORES):
            weeks = predictor.forecast((int(store),), 52, "best")
            np.testing.assert_allclose([week.sales for week in weeks], expected[row], atol=0.01)
            bounds = [(week.lower, week.upper) for week in weeks]
            np.testing.assert_allclose(bounds, expected[row][:, None] * [0.9, 1.2], atol=0.02)
            wider = [
                (week.lower, week.upper)
                for week in predictor.forecast((int(store),), 52, "best", 95)
            ]
            np.testing.assert_allclose(wider, expected[row][:, None] * [0.81, 1.44], atol=0.02)
    assert {"arima": "arima", "best": "pooled"} == predictor.forecasting
    assert "pooled" == predictor.describe()["answered_by"]["best"]


def test_where_arima_is_best_both_questions_have_one_answer(
    bundle: Bundle, predictor: Predictor
) -> None:
    assert "arima" == bundle.manifest.answered_by.best
    for store in STORES:
        assert predictor.forecast((int(store),), 52) == predictor.forecast(
            (int(store),), 52, "best"
        )


def test_a_past_week_is_answered_as_it_would_have_been_the_week_before(
    bundle: Bundle, panel: Panel, predictor: Predictor
) -> None:
    day = date(2012, 4, 6)
    before = panel.until(day - timedelta(days=7))
    then = Predictor(bundle, before)
    assert then.predict((2,), day, USUAL) == predictor.predict((2,), day, USUAL)


def test_every_day_of_a_week_has_one_answer(predictor: Predictor) -> None:
    saturday = date(2012, 11, 3)
    answers = [predictor.predict((1,), saturday + timedelta(days=n), USUAL) for n in range(7)]
    assert [answers[0]] * 7 == answers
    assert date(2012, 11, 9) == answers[0].period


def test_new_weeks_move_the_answers_without_a_new_model(bundle: Bundle, panel: Panel) -> None:
    before = Predictor(bundle, panel.until(panel.periods[-3]))
    after = Predictor(bundle, panel)
    assert after.origin == before.origin + timedelta(weeks=2)
    day = after.origin + timedelta(weeks=1)
    assert before.predict((1,), day, USUAL).prediction != after.predict((1,), day, USUAL).prediction
    assert day == after.forecast((1,), 1)[0].period


def test_usual_conditions_for_the_next_week_need_no_warning(
    panel: Panel, predictor: Predictor
) -> None:
    last = [float(panel.conditions[name][0, -1]) for name in CONDITIONS]
    answer = predictor.predict((1,), predictor.origin + timedelta(days=3), last)
    assert () == answer.warnings


def test_a_condition_outside_what_was_seen_is_named_with_the_range(
    bundle: Bundle, predictor: Predictor
) -> None:
    low, high = bundle.manifest.condition_ranges["Temperature"]
    answer = predictor.predict((1,), date(2012, 11, 3), (0, 151.5, *USUAL[2:]))
    (warning,) = answer.warnings
    assert (
        f"Temperature 151.5 is outside what the models were trained on ({low:g} to {high:g})."
        == warning
    )


def test_a_condition_that_changes_nothing_is_not_called_unusual(
    bundle: Bundle, panel: Panel
) -> None:
    asked = (1,), date(2012, 11, 3), (0, 151.5, *USUAL[2:])
    assert ("note",) == Predictor(baseline(panel), panel).predict(*asked).warnings
    manifest = bundle.manifest.model_copy(update={"condition_ranges": {}})
    warnings = Predictor(replace(bundle, manifest=manifest), panel).predict(*asked).warnings
    assert "Temperature 151.5 changes nothing: the models were trained without any." == warnings[0]


@pytest.mark.parametrize(
    ("day", "flag", "warnings"),
    [
        (date(2012, 11, 23), 1.0, []),
        (date(2012, 11, 23), 0.0, ["Holiday_Flag 0: the calendar has a holiday in this week"]),
        (date(2012, 11, 9), 1.0, ["Holiday_Flag 1: the calendar has no holiday in this week"]),
        (date(2012, 11, 9), 0.0, []),
        (date(2011, 11, 25), 0.0, ["Holiday_Flag 0: the calendar has a holiday in this week"]),
    ],
)
def test_a_flag_that_differs_from_the_calendar_is_a_warning_and_no_other_prediction(
    predictor: Predictor, day: date, flag: float, warnings: list[str]
) -> None:
    answer = predictor.predict((1,), day, (flag, *USUAL[1:]))

    said = [text for text in answer.warnings if text.startswith("Holiday_Flag")]
    assert [f"{text}, and the models go by it." for text in warnings] == said
    assert answer.prediction == predictor.predict((1,), day, (1 - flag, *USUAL[1:])).prediction


def test_beyond_a_year_the_answer_says_how_far_beyond_it_is(predictor: Predictor) -> None:
    day = predictor.origin + timedelta(weeks=53)
    (warning,) = predictor.predict((1,), day, USUAL).warnings
    assert f"The week ending {day} is 53 weeks after the last known one" in warning
    assert () == predictor.predict((1,), day - timedelta(weeks=1), USUAL).warnings


def test_the_farthest_day_is_answered_if_its_week_has_an_end(
    bundle: Bundle, panel: Panel, predictor: Predictor
) -> None:
    answer = predictor.predict((1,), date.max, USUAL)
    assert math.isfinite(answer.prediction)
    a_day_later = replace(panel, periods=panel.periods + np.timedelta64(1, "D"))
    until_saturday = Predictor(bundle, a_day_later)
    with pytest.raises(InvalidRequest, match="ends after 9999-12-31"):
        until_saturday.predict((1,), date.max, USUAL)


def test_a_week_of_the_first_year_is_answered_from_the_week_before_and_says_so(
    predictor: Predictor,
) -> None:
    answer = predictor.predict((1,), date(2010, 6, 1), USUAL)
    little, last = answer.warnings
    assert "Only 17 weeks of its sales are known, too few to tell its season." == little
    assert "a year before the week ending 2010-06-04 are not known" in last


@pytest.mark.parametrize("day", [date(2010, 2, 5), date(2010, 1, 30), date(1900, 1, 1)])
def test_a_day_without_a_known_week_before_it_is_refused(predictor: Predictor, day: date) -> None:
    with pytest.raises(InvalidRequest, match="earliest week that can be answered ends 2010-02-12"):
        predictor.predict((1,), day, USUAL)


def test_an_unknown_store_is_refused_with_the_known_ones(predictor: Predictor) -> None:
    expected = "Store 99 is not in the model. Known stores: 1-2, 5, 9, 20, 33."
    with pytest.raises(UnknownStore) as of_predict:
        predictor.predict((99,), date(2012, 11, 3), USUAL)
    assert expected == of_predict.value.message
    assert {"Store": 99} == of_predict.value.fields
    with pytest.raises(UnknownStore) as of_forecast:
        predictor.forecast((99,), 5)
    assert {"store_id": 99} == of_forecast.value.fields


@pytest.mark.parametrize("steps", [0, 53])
def test_steps_out_of_range_are_refused(predictor: Predictor, steps: int) -> None:
    with pytest.raises(InvalidRequest, match=f"1 to 52, not {steps}"):
        predictor.forecast((1,), steps)


def test_a_store_without_any_history_is_answered_as_its_peers_are(
    bundle: Bundle, panel: Panel
) -> None:
    bundle = with_pooled(bundle, panel, of_all(measured(0.9, 1.2)))
    predictor = Predictor(bundle, with_sales(panel, panel.positions["5"], 0, None, np.nan))
    others = [int(name) for name in STORES if name != "5"]
    # No condition is known of a store that does not exist yet: they are not asked for.
    answer = predictor.predict((5,), date(2012, 11, 3), USUAL)
    assert answer == predictor.predict((5,), date(2012, 11, 3), (0.0, 30.0, 3.3, 199.0, 9.0))
    assert (None, None) == (answer.interval_80, answer.interval_95)
    says = "Nothing is known of it: expected to sell 100% of what its like do, 1, 2, 9, 20, 33."
    assert (says,) == answer.warnings == predictor.warnings_for((5,))
    for choice in ("arima", "best"):
        weeks = predictor.forecast((5,), 52, choice)
        theirs = [[week.sales for week in predictor.forecast((of,), 52, choice)] for of in others]
        mean = np.exp(np.log(theirs).mean(axis=0))
        np.testing.assert_allclose([week.sales for week in weeks], mean, atol=0.02)
        assert {(None, None)} == {(week.lower, week.upper) for week in weeks}


def test_where_nothing_was_ever_sold_an_answer_is_refused_not_guessed(
    bundle: Bundle, panel: Panel
) -> None:
    nothing = replace(panel, y=np.full_like(panel.y, np.nan))
    predictor = Predictor(with_pooled(bundle, panel), nothing)
    with pytest.raises(InvalidRequest, match="Store 5 has no known sales before the week ending"):
        predictor.predict((5,), date(2012, 11, 3), USUAL)
    for choice in ("arima", "best"):
        with pytest.raises(InvalidRequest, match="Store 5 has no known sales"):
            predictor.forecast((5,), 5, choice)


def test_a_store_that_never_sold_anything_is_expected_to_go_on_so(
    bundle: Bundle, panel: Panel
) -> None:
    predictor = Predictor(bundle, with_sales(panel, panel.positions["5"], 0, None, 0.0))
    answer = predictor.predict((5,), date(2012, 11, 3), USUAL)
    assert 0.0 == answer.prediction
    assert ("It never sold anything: expected to go on so.",) == answer.warnings
    assert [0.0] * 5 == [week.sales for week in predictor.forecast((5,), 5)]


def test_intervals_hold_the_prediction_and_widen_with_the_step(panel: Panel) -> None:
    tables = evaluate(panel.select(["1", "2"]), quiet)
    note = "The baseline answers."
    predictor = Predictor(baseline(panel, note, tables), panel)
    weeks = predictor.forecast((1,), 52)
    widths = [(week.upper - week.lower) / week.sales for week in weeks]
    assert all(week.lower <= week.sales <= week.upper for week in weeks)
    assert sorted(widths) == pytest.approx(widths, rel=1e-6)
    answer = predictor.predict((1,), weeks[0].period, USUAL)
    assert answer.interval_80 is not None
    assert answer.interval_80[0] <= answer.prediction <= answer.interval_80[1]
    assert {ONE_STEP_NAME, MANY_STEPS_NAME} == set(predictor.describe()["scores"])
    assert (note,) == answer.warnings == predictor.warnings == predictor.warnings_for((1,), 8)
    far = "Beyond 8 weeks ahead the interval is extrapolated: no backtest reached further."
    assert (note, far) == predictor.warnings_for((1,), 9)
    assert (note, far) == predictor.predict((1,), weeks[8].period, (1.0, *USUAL[1:])).warnings


def test_a_series_that_strays_further_gets_a_wider_interval(bundle: Bundle, panel: Panel) -> None:
    spreads = of_all(measured(0.9, 1.2, **{"1": 2.0}))
    predictor = Predictor(with_pooled(bundle, panel, spreads), panel)
    day = panel.last + timedelta(weeks=1)
    for store, narrow, wide in (
        (1, (0.81, 1.44), (0.81**2, 1.44**2)),
        (2, (0.9, 1.2), (0.81, 1.44)),
    ):
        for steps in (1, 80):
            answer = predictor.predict(
                (store,), day if steps == 1 else day.replace(year=2015), USUAL
            )
            ends = np.array([answer.interval_80, answer.interval_95]) / answer.prediction
            if steps == 1:
                np.testing.assert_allclose(ends, [narrow, wide], atol=1e-6)
            assert ends[1, 0] < ends[0, 0] < 1 < ends[0, 1] < ends[1, 1]
        weeks = predictor.forecast((store,), 52)
        assert pytest.approx(narrow[0], abs=1e-6) == weeks[0].lower / weeks[0].sales


def test_the_baseline_answers_last_year_times_growth(panel: Panel) -> None:
    bundle = baseline(panel)
    predictor = Predictor(bundle, panel)
    ahead = GROWTH.predict(panel, 60)
    for step in (1, 52, 55):
        answer = predictor.predict((9,), panel.last + timedelta(weeks=step), USUAL)
        assert round(float(ahead[panel.positions["9"], step - 1]), 2) == answer.prediction
        assert ({"seasonal_naive_growth": answer.prediction}, None) == (
            answer.models,
            answer.interval_80,
        )
    past = panel.until(panel.periods[-5])
    answer = predictor.predict((9,), past.last + timedelta(weeks=1), USUAL)
    assert round(float(GROWTH.predict(past, 1)[3, 0]), 2) == answer.prediction
    for choice in ("arima", "best"):
        weeks = predictor.forecast((1,), 5, choice)
        assert ahead[0, :5].round(2).tolist() == [week.sales for week in weeks]
        assert "seasonal_naive_growth" == predictor.forecasting[choice]
    verify(bundle)


def test_a_bundle_made_for_other_features_is_refused(bundle: Bundle, panel: Panel) -> None:
    names = tuple(reversed(bundle.manifest.feature_names))
    other = bundle.manifest.model_copy(update={"feature_names": names})
    with pytest.raises(BundleRefused, match="other features"):
        Predictor(replace(bundle, manifest=other), panel)


# A store that has just opened


def opened_three_weeks_ago() -> Panel:
    panel = sample_rows().to_panel().select([*STORES, "40"])
    return with_sales(panel, len(STORES), 0, -3, np.nan)


@pytest.fixture(scope="module")
def with_new(bundle: Bundle, panel: Panel) -> tuple[Bundle, Panel]:
    """What is served, and a history with a store that opened three weeks ago."""
    return with_pooled(bundle, panel, of_all(measured(0.9, 1.2))), opened_three_weeks_ago()


def test_a_store_that_has_just_opened_is_answered_from_what_all_stores_do(
    with_new: tuple[Bundle, Panel],
) -> None:
    predictor = Predictor(*with_new)
    (level,) = with_new[1].y[-1:, -3:].mean(axis=1)
    answer = predictor.predict((40,), date(2012, 11, 3), USUAL)
    assert 0.7 * level < answer.prediction < 1.4 * level
    for choice in ("arima", "best"):
        weeks = predictor.forecast((40,), 9, choice)
        christmas, usual = (weeks[at].sales for at in (7, 1))
        assert christmas > 1.2 * usual > level  # it has seen no Christmas


def test_of_a_young_store_nothing_is_promised_before_young_ones_were_measured(
    with_new: tuple[Bundle, Panel],
) -> None:
    predictor = Predictor(*with_new)
    says = "Only 3 weeks of its sales are known, too few to tell its season."
    young = predictor.predict((40,), date(2012, 11, 3), USUAL)
    old = predictor.predict((33,), date(2012, 11, 3), USUAL)
    assert says == young.warnings[0]
    assert young.warnings[:1] == predictor.warnings_for((40,))
    assert () == old.warnings == predictor.warnings_for((33,))
    assert (None, None) == (young.interval_80, young.interval_95)
    assert old.interval_80 is not None
    for choice in ("arima", "best"):
        assert {(None, None)} == {
            (week.lower, week.upper) for week in predictor.forecast((40,), 9, choice)
        }


def test_a_young_store_strays_as_young_ones_did(bundle: Bundle, panel: Panel) -> None:
    apart = SpreadByAge({OLD: spread_of(0.9, 1.2), YOUNG: spread_of(0.5, 1.6)})
    predictor = Predictor(with_pooled(bundle, panel, of_all(apart)), opened_three_weeks_ago())
    for store, narrow, wide in ((40, (0.5, 1.6), (0.25, 2.56)), (33, (0.9, 1.2), (0.81, 1.44))):
        answer = predictor.predict((store,), date(2012, 11, 3), USUAL)
        ends = np.array([answer.interval_80, answer.interval_95]) / answer.prediction
        np.testing.assert_allclose(ends, [narrow, wide], atol=1e-6)
        for week in predictor.forecast((store,), 9, "best"):
            ends = np.array([week.lower, week.upper]) / week.sales
            np.testing.assert_allclose(ends, narrow, atol=1e-6)


def test_a_past_week_has_the_interval_of_the_age_that_the_store_had_then(
    bundle: Bundle, panel: Panel
) -> None:
    apart = SpreadByAge({OLD: spread_of(0.9, 1.2), YOUNG: spread_of(0.5, 1.6)})
    predictor = Predictor(with_pooled(bundle, panel, of_all(apart)), panel)
    for week, (low, high) in ((30, (0.5, 1.6)), (51, (0.5, 1.6)), (52, (0.9, 1.2))):
        answer = predictor.predict((1,), panel.first + timedelta(weeks=week), USUAL)
        ends = np.array(answer.interval_80) / answer.prediction
        np.testing.assert_allclose(ends, [low, high], atol=1e-6)


def test_a_year_of_sales_is_enough(with_new: tuple[Bundle, Panel]) -> None:
    bundle, panel = with_new
    y = sample_rows().to_panel().select([*STORES, "40"]).y.copy()
    for weeks, warned in ((51, True), (52, False)):
        y[-1, :-weeks] = np.nan
        y[-1, -weeks:] = 1000.0
        predictor = Predictor(bundle, replace(panel, y=y))
        assert warned == bool(predictor.warnings_for((40,)))
        assert warned == (predictor.forecast((40,), 1)[0].lower is None)


def test_weeks_without_sales_are_known_and_make_no_store_young(
    with_new: tuple[Bundle, Panel],
) -> None:
    bundle, panel = with_new
    predictor = Predictor(bundle, with_sales(panel, len(STORES), 0, 60, 0.0))
    assert () == predictor.warnings_for((40,))
    assert predictor.forecast((40,), 1)[0].lower is not None
