"""One way to a forecast: whoever is asked, and however, the same question has one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from starlette.types import ASGIApp

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.fallback import growth_bundle
from sales_forecast.bundles.manifest import AnsweredBy
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import CONDITIONS, Array, Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.features.features import feature_names
from sales_forecast.features.passing import usual
from sales_forecast.models.ages import OLD, YOUNG
from sales_forecast.models.base import Storable
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.naive import Baseline
from sales_forecast.models.spread import LEVELS, MEDIAN, SpreadByAge, tail
from sales_forecast.operations.batch import issues_of
from sales_forecast.prediction.forecast import Expected, forecast, mean, quantile_factors, quantiles
from sales_forecast.service.answers import Answers
from sales_forecast.service.app import create_app
from sales_forecast.service.predictor import Predictor
from tests.builders import one_thread, spread_of, with_sales
from tests.fakes import LiveStub
from tests.service.conftest import ask_app
from tests.trained import through_a_bundle

NAMES = tuple(forecaster.name for forecaster in ALL_FORECASTERS)
OF_TREES = {"random_forest", "xgboost", "rf_xgb_mean", "ensemble"}
TOLD = ("ridge", "random_forest", "xgboost", "rf_xgb_mean")
"""Those that hear of conditions; the ensemble, which does too, is asked less: it takes long."""
QUESTIONS, PAST_WEEKS = 500, 20
SLOW, ENDED, SEASONAL = WITH_ZEROS = (5, 6, 7)
REBUILT = 1
ASKED = (0.025, 0.1, MEDIAN, 0.9, 0.975)
STEPS = (1, 2, 3, 5, 8, 13, 26, 39, 51, 52)
# Each model answers somewhere: one step, many steps, or as the best.
SERVINGS = (
    AnsweredBy(predict_sales="rf_xgb_mean", forecast_sales="arima", best="ensemble"),
    AnsweredBy(predict_sales="ridge", forecast_sales="ets", best="pooled"),
    AnsweredBy(predict_sales="xgboost", forecast_sales="random_forest", best="naive"),
    AnsweredBy(
        predict_sales="ensemble", forecast_sales="seasonal_naive", best="seasonal_naive_growth"
    ),
    AnsweredBy(
        predict_sales="moving_average", forecast_sales="seasonal_average", best="rf_xgb_mean"
    ),
)


@cache
def panel() -> Panel:
    """Three stores, one that opened 20 weeks ago, one of which nothing is known, and three more.

    Of these one sells in a third of weeks, one ended 12 weeks ago, and one has a season. One of the
    first was rebuilt for seven weeks, which had not passed yet at some of the past origins.
    """
    whole = sample_rows().to_panel().select(["3", "12", "30", "7", "9", "5", "33", "38"])
    whole = with_sales(with_sales(whole, 3, 0, -20, np.nan), 4, 0, None, np.nan)
    y, week = whole.y.copy(), np.arange(whole.n_periods)
    y[SLOW, np.random.default_rng(1).random(whole.n_periods) > 1 / 3] = 0.0
    y[ENDED, -12:] = 0.0
    y[SEASONAL, week % 52 > 25] = 0.0
    y[REBUILT, -18:-11] *= 0.3
    return replace(whole, y=y)


@cache
def fitted() -> dict[str, Storable]:
    """Every model, fitted eight weeks ago."""
    with one_thread():
        known = panel().until(panel().periods[-9])
        return {forecaster.name: fit_once(forecaster, known) for forecaster in ALL_FORECASTERS}


def measured(seed: int) -> SpreadByAge:
    """A spread as if it had been measured, of old and of young series."""
    rng = np.random.default_rng(seed)
    names = (*panel().series[:3], *panel().series[SLOW:])
    ends = rng.uniform((0.6, 1.1), (0.9, 1.5), (2, 2))
    widths = {name: float(rng.uniform(0.5, 2.0)) for name in names}
    old, young = (
        spread_of(*both, by_step=0.2, **own)
        for both, own in zip(ends.tolist(), (widths, {}), strict=True)
    )
    return SpreadByAge({OLD: old, YOUNG: young}, mean=float(rng.uniform(0.8, 1.3)))


@cache
def bundle(serving: AnsweredBy) -> Bundle:
    """A bundle that holds every model."""
    manifest = growth_bundle(panel(), "").manifest.model_copy(
        update={"answered_by": serving, "kind": "models", "note": ""}
    )
    return replace(
        growth_bundle(panel(), ""),
        manifest=manifest,
        models=restored(),
        spreads={name: measured(seed) for seed, name in enumerate(NAMES)},
    )


@cache
def restored() -> dict[str, Storable]:
    return through_a_bundle(fitted(), len(feature_names(panel())))


@cache
def answers() -> Answers:
    return Answers(bundle(SERVINGS[0]), panel(), SEASON_LENGTH)


@dataclass(frozen=True)
class Question:
    """A series and a period of a panel, counted from its first, and what is told of it."""

    row: int
    period: int
    conditions: tuple[float, ...] | None

    @property
    def history(self) -> Panel:
        return panel().until(panel().periods[min(self.period, panel().n_periods) - 1])

    @property
    def horizon(self) -> int:
        return self.period - self.history.n_periods + 1

    @property
    def told(self) -> Mapping[str, Array] | None:
        """The conditions for all series; nothing where the series has sold nothing yet.

        What is told is told of this series. It says nothing of the peers that answer for it.
        """
        if self.conditions is None or not (self.history.y[self.row] > 0).any():
            return None
        shape = (panel().n_series, self.horizon)
        return {
            name: np.full(shape, value)
            for name, value in zip(CONDITIONS, self.conditions, strict=True)
        }


@cache
def questions() -> tuple[Question, ...]:
    rng = np.random.default_rng(20)
    n = panel().n_periods
    opened = [n - 21, n - 20, n - 19]  # the young store has sold nothing, or one week
    past = [*opened, *rng.choice(np.arange(1, n - 21), PAST_WEEKS, replace=False)]
    periods = [*past, *(n - 1 + step for step in STEPS)]
    found = []
    for _ in range(QUESTIONS):
        conditions = (float(rng.integers(0, 2)), *rng.uniform((-10, 2, 120, 3), (110, 5, 240, 15)))
        found.append(
            Question(
                row=int(rng.integers(0, panel().n_series)),
                period=int(rng.choice(periods)),
                conditions=None if rng.random() < 0.25 else tuple(map(float, conditions)),
            )
        )
    return tuple(found)


def said(question: Question, model: str, *, as_fitted: bool = False) -> Expected:
    """What the one way to a forecast says."""
    if model in TOLD:
        return _told(as_fitted, question)[model]
    if model == "ensemble":
        return _of_ensemble(as_fitted, question)
    return _untold(as_fitted, question.period)[model]


def models(as_fitted: bool) -> Mapping[str, Storable]:
    return fitted() if as_fitted else restored()


@cache
def _told(as_fitted: bool, question: Question) -> Mapping[str, Expected]:
    asked = {name: models(as_fitted)[name] for name in TOLD}
    return forecast(asked, question.history, question.horizon, question.told)


@cache
def _of_ensemble(as_fitted: bool, question: Question) -> Expected:
    asked = {"ensemble": models(as_fitted)["ensemble"]}
    return forecast(asked, question.history, question.horizon, question.told)["ensemble"]


@cache
def _untold(as_fitted: bool, period: int) -> Mapping[str, Expected]:
    others = {name: of for name, of in models(as_fitted).items() if name not in {*TOLD, "ensemble"}}
    question = Question(0, period, None)
    return forecast(others, question.history, question.horizon)


def at(question: Question, model: str, *, as_fitted: bool = False) -> list[float]:
    """What the one way to a forecast says of a question at `ASKED`."""
    expected = said(question, model, as_fitted=as_fitted)
    found = quantiles(bundle(SERVINGS[0]).spreads[model], question.history, expected, ASKED)
    numbers: list[float] = found[question.row, -1].tolist()
    return numbers


def members_at(question: Question, model: str, member: str) -> float:
    """What a member has said of it, as far below what is sold if anything is as the whole is."""
    chance, spread = said(question, model).chance, bundle(SERVINGS[0]).spreads[model]
    factors = quantile_factors(spread, question.history, chance, [MEDIAN])
    return float(said(question, member).if_sold[question.row, -1] * factors[question.row, -1, 0])


@cache
def ahead(model: str, *, as_fitted: bool = False) -> Expected:
    """What the one way to a forecast says of a whole season ahead."""
    return forecast({model: models(as_fitted)[model]}, panel(), SEASON_LENGTH)[model]


def all_ahead(model: str, *, as_fitted: bool = False) -> Array:
    """The same at `ASKED`, float64[n_series, horizon, n_asked]."""
    spread = bundle(SERVINGS[0]).spreads[model]
    return quantiles(spread, panel(), ahead(model, as_fitted=as_fitted), ASKED)


def ends(of: Array, level: int) -> Array:
    """Both ends of an interval, of numbers at `ASKED`."""
    place = ASKED.index(tail(level))
    return of[..., [place, -1 - place]]


def asked_of(model: str, one_in: int = 1) -> tuple[Question, ...]:
    return questions()[:: max(one_in, 12 if model == "ensemble" else 1)]


def near(value: float, relative: float) -> object:
    return pytest.approx(value, rel=relative, abs=1e-9, nan_ok=True)


def test_questions_are_of_all_kinds() -> None:
    weeks = [question.period - panel().n_periods for question in questions()]
    assert QUESTIONS == len(questions())
    assert len(set(questions())) > 400
    assert 50 < sum(question.conditions is None for question in questions()) < 200
    assert {*range(8)} == {question.row for question in questions()}
    assert min(weeks) < -100
    assert {step - 1 for step in STEPS} == {week for week in weeks if week >= 0}
    # Of the young store also weeks before its first.
    opened = panel().n_periods - 20
    assert any(question.row == 3 and question.period <= opened for question in questions())
    assert any(question.row == 3 and question.period > opened for question in questions())


@pytest.mark.parametrize("model", NAMES)
def test_a_question_has_the_answer_of_the_one_way_to_a_forecast(model: str) -> None:
    for question in asked_of(model):
        estimate = answers().estimate(model, question.row, question.period, question.conditions)
        assert near(at(question, model)[2], 1e-9) == estimate.prediction, question
        for name, value in estimate.members.items():
            assert near(members_at(question, model, name), 1e-9) == value, question


@pytest.mark.parametrize("model", NAMES)
def test_a_question_has_the_answer_of_the_models_as_they_were_fitted(model: str) -> None:
    relative = 1e-4 if model in OF_TREES else 1e-9
    for question in asked_of(model, one_in=5):
        estimate = answers().estimate(model, question.row, question.period, question.conditions)
        expected = at(question, model, as_fitted=True)[2]
        assert near(expected, relative) == estimate.prediction, question


@pytest.mark.parametrize("model", NAMES)
def test_the_weeks_ahead_are_those_of_the_one_way_to_a_forecast(model: str) -> None:
    rng = np.random.default_rng(30)
    expected = all_ahead(model)[:, :, 2]
    of_fitted = all_ahead(model, as_fitted=True)[:, :, 2]
    for _ in range(40):
        row, steps = int(rng.integers(0, panel().n_series)), int(rng.integers(1, SEASON_LENGTH + 1))
        found = answers().ahead.medians(model, row, steps)
        np.testing.assert_allclose(found, expected[row, :steps], rtol=1e-9)
        np.testing.assert_allclose(
            found, of_fitted[row, :steps], rtol=1e-4 if model in OF_TREES else 1e-9
        )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("model", ["rf_xgb_mean", "arima", "pooled", "naive"])
def test_intervals_are_those_of_the_one_way_to_a_forecast(model: str, level: int) -> None:
    seen = set()
    for question in questions():
        expected = ends(np.array(at(question, model)), level)
        found = (
            answers()
            .estimate(model, question.row, question.period, question.conditions)
            .ends[level]
        )
        promised = not np.isnan(expected[0])
        assert promised == (found is not None), question
        if found is not None:
            assert found == pytest.approx(expected, rel=1e-9)
        seen.add((question.row, promised))
    assert {(row, True) for row in (0, 1, 2, 3, *WITH_ZEROS)} <= seen
    assert {(3, False), (4, False)} <= seen
    assert (4, True) not in seen


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("model", NAMES)
def test_intervals_ahead_are_those_of_the_one_way_to_a_forecast(model: str, level: int) -> None:
    expected = ends(all_ahead(model), level)
    for row in range(panel().n_series):
        found = answers().ahead.ends(model, level, row, SEASON_LENGTH)
        assert SEASON_LENGTH == len(found)
        for step, both in enumerate(found):
            if both is None:
                assert np.isnan(expected[row, step]).all()
            else:
                assert both == pytest.approx(expected[row, step], rel=1e-9)


@pytest.mark.parametrize("model", NAMES)
def test_means_and_quantiles_ahead_are_those_of_the_one_way_to_a_forecast(model: str) -> None:
    means = mean(bundle(SERVINGS[0]).spreads[model], ahead(model))
    for row in range(panel().n_series):
        found, at_asked = answers().ahead.distribution(model, row, 30, ASKED)
        np.testing.assert_allclose(found, means[row, :30], rtol=1e-9)
        np.testing.assert_allclose(at_asked, all_ahead(model)[row, :30], rtol=1e-9)


def test_where_some_weeks_are_returns_the_lower_quantiles_are_lower_in_all() -> None:
    whole = panel().select(["3"])
    sales = with_sales(with_sales(whole, 0, -52, -51, -9e5), 0, -40, -30, -7e5)
    spreads = {"seasonal_naive": SpreadByAge({OLD: spread_of(0.8, 1.5)})}
    of_rule = {"seasonal_naive": restored()["seasonal_naive"]}
    made = replace(growth_bundle(sales, ""), models=of_rule, spreads=spreads)
    _, found = Answers(made, sales, 20).ahead.distribution("seasonal_naive", 0, 20, ASKED)
    expected = forecast(of_rule, sales, 20)["seasonal_naive"]
    assert (expected.if_sold < 0).any()
    assert (expected.if_sold > 0).any()
    of_all = quantiles(spreads["seasonal_naive"], sales, expected, ASKED)
    np.testing.assert_allclose(found, of_all[0], rtol=1e-9)
    assert (np.diff(found, axis=1) > 0).all()


def test_what_passed_is_known_to_have_passed_only_since() -> None:
    """Else the questions about the past would not show that both sides know equally much."""
    then, since = (panel().until(panel().periods[period]) for period in (-11, -8))

    assert usual(then) is then
    assert np.isnan(usual(since).y[REBUILT]).any()


def test_zeros_make_a_difference_to_all_but_baselines() -> None:
    for model in NAMES:
        chance = ahead(model).chance
        assert (chance[:4] == 1).all()
        baseline = isinstance(restored()[model], Baseline)
        assert baseline == (chance[list(WITH_ZEROS)] == 1).all()
    medians, chance = all_ahead("pooled")[:, :, 2], ahead("pooled").chance
    assert (medians[SLOW] == 0).any()
    assert (medians[ENDED] == 0).any()
    assert (chance[SEASONAL] > 0.5).any()
    assert ((medians == 0) == (chance <= 0.5))[:4].all()
    assert ((medians == 0) == (chance <= 0.5))[5:].all()


# What is handed out


@cache
def served(serving: AnsweredBy) -> ASGIApp:
    return create_app(LiveStub(Predictor(bundle(serving), panel())))


def cents(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)


@pytest.mark.parametrize("serving", SERVINGS, ids=lambda serving: serving.predict_sales)
def test_predict_sales_gives_it_rounded_to_cents(serving: AnsweredBy) -> None:
    model = serving.predict_sales
    asked = [one for one in asked_of(model, one_in=4) if one.conditions is not None]
    assert len(asked) > 20
    for question in asked:
        flag, temperature, fuel, cpi, unemployment = question.conditions or ()
        week = panel().periods[0] + np.timedelta64(7 * question.period, "D")
        response = ask_app(
            served(serving),
            "POST",
            "/predict_sales",
            {
                "Store": int(panel().series[question.row]), "Date": str(week),
                "Holiday_Flag": int(flag), "Temperature": temperature, "Fuel_Price": fuel,
                "CPI": cpi, "Unemployment": unemployment,
            },
        )  # fmt: skip
        of_all = np.array(at(question, model))
        assert 200 == response.status_code, response.text
        answer = response.json()
        assert cents(of_all[2]) == answer["prediction"]
        assert str(week) == answer["week_ending"]
        for level in LEVELS:
            both = [cents(end) for end in ends(of_all, level)]
            assert (None if both[0] is None else [*both]) == answer[f"interval_{level}"]
        for name in ("random_forest", "xgboost"):
            part = members_at(question, model, name)
            made_of = model in {"rf_xgb_mean", "ensemble", name}
            assert (cents(part) if made_of else None) == answer["models"][name]


@pytest.mark.parametrize("serving", SERVINGS, ids=lambda serving: serving.best)
@pytest.mark.parametrize("choice", ["arima", "best"])
def test_forecast_sales_gives_it_rounded_to_cents(serving: AnsweredBy, choice: str) -> None:
    model = serving.best if choice == "best" else serving.arima
    of_all, means = all_ahead(model), mean(bundle(serving).spreads[model], ahead(model))
    rng = np.random.default_rng(40)
    for _ in range(12):
        row, steps = int(rng.integers(0, panel().n_series)), int(rng.integers(1, SEASON_LENGTH + 1))
        level = int(rng.choice(LEVELS))
        response = ask_app(
            served(serving),
            "POST",
            f"/forecast_sales?model={choice}&level={level}&quantiles=0.1,0.5,0.9",
            {"store_id": int(panel().series[row]), "steps": steps},
        )
        assert 200 == response.status_code, response.text
        assert model == response.headers["X-Model"]
        both = ends(of_all[row], level)
        assert [
            {
                "Date": str(week), "Sales": cents(of_all[row, step, 2]),
                "lower": cents(both[step, 0]), "upper": cents(both[step, 1]),
                "mean": cents(means[row, step]),
                "quantiles": {str(tau): cents(of_all[row, step, ASKED.index(tau)])
                              for tau in (0.1, 0.5, 0.9)},
            }
            for step, week in enumerate(panel().after(steps))
        ] == response.json()  # fmt: skip


@pytest.mark.parametrize("serving", SERVINGS, ids=lambda serving: serving.best)
def test_the_batch_issues_it(serving: AnsweredBy) -> None:
    model = serving.best
    spread = bundle(serving).spreads[model]
    best, baseline = issues_of(bundle(serving), panel(), SEASON_LENGTH)
    assert (model, "seasonal_naive_growth") == (best.model, baseline.model)
    np.testing.assert_allclose(best.mean, mean(spread, ahead(model)), rtol=1e-9)
    expected = quantiles(spread, panel(), ahead(model), [*QUANTILES.values()])
    for place, name in enumerate(QUANTILES):
        np.testing.assert_allclose(best.quantiles[name], expected[:, :, place], rtol=1e-9)
