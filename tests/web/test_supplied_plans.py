"""A plan that a question supplies is answered as if it were loaded, and says what it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.bundles.bundle import read_bundle
from sales_forecast.data.far_plans import far_plans
from sales_forecast.data.files.daily import StoreDays
from sales_forecast.errors import InvalidRequest, NoForecasts
from sales_forecast.operations.batch import write_forecasts
from sales_forecast.service.covariates import UsedCovariate
from sales_forecast.service.predictor import Predictor
from sales_forecast.training.challenger import baseline_challenger
from tests.builders import daily_folder
from tests.trained import read, silent
from tests.web.odd import PRICE, PROMOTION

SUNDAY, MONDAY, WEDNESDAY = date(2014, 4, 6), date(2014, 4, 7), date(2014, 4, 9)
PAST, LATER = date(2014, 3, 11), date(2014, 7, 1)
ODD = [date(2022, 7, 3), date(2022, 8, 28), date(2022, 1, 2)]


def made(shop, model, panel=None):
    """A predictor all of whose questions are answered by one model."""
    predictor = Predictor(read_bundle(Path(shop.settings.model_uri)), panel or shop.panel)
    predictor.predicting = model
    return predictor


def told(predictor, **values):
    """What a question supplies: `values` by name, in the order of its covariates."""
    return [values.get(of.name) for of in predictor.forms.covariates]


def loaded(panel, row, day, **values):
    """A panel into whose plan other values of a day were loaded."""
    period = int((np.datetime64(day) - panel.periods[0]).astype(int)) // panel.frequency.days
    plan = {}
    for name, planned in panel.plan.items():
        width = max(planned.shape[1], period + 1)
        plan[name] = np.full((panel.n_series, width), np.nan)
        plan[name][:, : planned.shape[1]] = planned
    for name, value in values.items():
        plan[name][row, period] = value
    return replace(panel, plan=plan)


def same(supplied, planned):
    """Whether two answers are equal but for where covariates came from."""
    apart = {"covariates": {}, "warnings": ()}
    return supplied._replace(**apart) == planned._replace(**apart)


def test_a_mistyped_plan_is_told_and_no_forecast_without_bounds_is_kept(days_shop):
    assert [] == [*far_plans(days_shop.panel)]
    mistyped = loaded(days_shop.panel, 1, MONDAY, promo=100_000)
    (far,) = far_plans(mistyped)
    name = mistyped.series[1]
    said = "promo: 1 planned number outside of what there was before (0 to 1), such as 100000 of"
    assert f"{said} {name}, {MONDAY}." == far
    with pytest.raises(NoForecasts) as refused:
        write_forecasts(days_shop.settings, mistyped, silent)
    assert refused.value.message.startswith(f"The forecast of {name}, {MONDAY}, has no bounds, and")
    assert far in refused.value.message
    predictor = made(days_shop, "arima", mistyped)
    for ask in (
        lambda: predictor.predict((2,), MONDAY, told(predictor)),
        lambda: predictor.forecast((2,), 3, "best"),
    ):
        with pytest.raises(NoForecasts, match=r"leaves sales of Store 2 without bounds\. promo: 1"):
            ask()
    assert len(predictor.forecast((1,), 3, "best")) == 3


@pytest.mark.parametrize("model", ["arima", "rf_xgb_mean"])
@pytest.mark.parametrize(
    ("day", "plan"),
    [
        (MONDAY, {"promo": 1}),
        (WEDNESDAY, {"open": 0, "promo": 0}),
        (PAST, {"promo": 0}),
        (PAST, {"open": 0}),
        (LATER, {"promo": 1, "open": 1, "state_holiday": 0, "school_holiday": 0}),
    ],
)
def test_days_are_answered_as_if_the_plan_were_loaded(days_shop, model, day, plan):
    panel = days_shop.panel
    before, after = made(days_shop, model), made(days_shop, model, loaded(panel, 1, day, **plan))
    supplied = before.predict((2,), day, told(before, **plan))
    expected = after.predict((2,), day, told(after))
    assert same(supplied, expected)
    assert supplied.warnings == expected.warnings
    assert not same(supplied, before.predict((2,), day, told(before)))
    for of in before.spec.future:
        used = supplied.covariates[of.column]
        assert ("supplied" if of.name in plan else "planned") == used.source
        assert used.value == plan.get(of.name, expected.covariates[of.column].value)


def test_the_same_files_with_the_plan_in_them_are_answered_so(days_shop, tmp_path):
    panel = days_shop.panel
    changed = loaded(panel, 1, MONDAY, promo=1)
    folders = [tmp_path / "as planned", tmp_path / "otherwise"]
    for folder, of in zip(folders, (panel, changed), strict=True):
        folder.mkdir()
        daily_folder(folder, of)
    loads = [StoreDays().panel(folder) for folder in folders]
    before, after = (made(days_shop, "rf_xgb_mean", of) for of in loads)
    supplied = before.predict((2,), MONDAY, told(before, promo=1))
    assert same(supplied, after.predict((2,), MONDAY, told(after)))


@pytest.mark.parametrize("model", ["arima", "rf_xgb_mean"])
@pytest.mark.parametrize("day", ODD)
def test_weeks_of_an_own_layout_too_beside_conditions(odd_shop, model, day):
    panel, plan = odd_shop.panel, {PRICE: 1.25, PROMOTION: 1.0}
    before, after = made(odd_shop, model), made(odd_shop, model, loaded(panel, 0, day, **plan))
    series, rain = before.series.named[0], {"rain & snow": 0.9}
    supplied = before.predict(series, day, told(before, **plan, **rain))
    assert same(supplied, after.predict(series, day, told(after, **rain)))
    assert not same(supplied, before.predict(series, day, told(before, **rain)))


def test_what_is_planned_already_changes_nothing_but_its_source(days_shop):
    predictor = made(days_shop, "rf_xgb_mean")
    usual = predictor.predict((2,), MONDAY, told(predictor))
    values = {of.name: usual.covariates[of.column].value for of in predictor.spec.future}
    supplied = predictor.predict((2,), MONDAY, told(predictor, **values))
    assert not predictor.takes_long((2,), MONDAY, told(predictor, **values))
    assert same(supplied, usual)
    assert {"supplied"} == {of.source for of in supplied.covariates.values()}
    assert usual.warnings == supplied.warnings


def test_a_supplied_plan_changes_no_other_answer(days_shop):
    asked, never = made(days_shop, "arima"), made(days_shop, "arima")
    nothing = told(asked)
    for day, values in ((MONDAY, {"promo": 1}), (PAST, {"open": 0})):
        assert asked.takes_long((2,), day, told(asked, **values))
        asked.predict((2,), day, told(asked, **values))
    assert asked.takes_long((2,), date(2014, 3, 12), nothing)
    for store, day in ((2, MONDAY), (3, WEDNESDAY), (2, PAST), (3, date(2014, 3, 12))):
        assert asked.predict((store,), day, nothing) == never.predict((store,), day, nothing)
        assert not asked.takes_long((store,), day, nothing)


def test_a_plan_whose_effect_nobody_measured_says_so(days_shop):
    panel = days_shop.panel
    bundle = read(baseline_challenger(panel, "made for tests", {}, "").sealed)
    rule = Predictor(bundle, panel)
    usual = rule.predict((2,), MONDAY, told(rule))
    supplied = rule.predict((2,), MONDAY, told(rule, promo=1))
    assert same(supplied, usual)
    (said,) = set(supplied.warnings) - set(usual.warnings)
    assert said == ("Promo 1 changes nothing: no effect of it on this series was measured then.")
    far = rule.predict((2,), MONDAY, told(rule, promo=5)).warnings
    assert "Promo 5 changes nothing: it is outside what was planned before (0 to 1)." in far
    closed = rule.predict((2,), SUNDAY, told(rule, promo=1)).warnings
    assert "Promo 1 changes nothing: nothing is sold then." in closed
    never = {**panel.plan, "promo": np.zeros_like(panel.plan["promo"])}
    always = made(days_shop, "arima", replace(panel, plan=never))
    supplied = always.predict((2,), MONDAY, told(always, promo=1))
    assert (
        "Promo 1: always 0 was planned of it before, so no effect of it was measured."
    ) in supplied.warnings


def test_a_number_beyond_all_that_was_planned_is_told(odd_shop):
    predictor = made(odd_shop, "arima")
    series = predictor.series.named[0]
    supplied = predictor.predict(series, ODD[0], told(predictor, **{PRICE: 9.0}))
    assert f"{PRICE} 9 is outside what was planned before (1 to 2)." in supplied.warnings


@pytest.mark.parametrize("model", ["arima", "rf_xgb_mean"])
@pytest.mark.parametrize("value", [1e5, 1e30, 1e300])
@pytest.mark.parametrize("day", [MONDAY, date(2014, 3, 31)])
def test_a_plan_by_which_sales_would_have_no_bounds_is_refused(days_shop, model, value, day):
    predictor = made(days_shop, model)
    with pytest.raises(InvalidRequest, match=r"^Promo must be near what was planned before"):
        predictor.predict((2,), day, told(predictor, promo=value))
    assert 0 == predictor.predict((2,), day, told(predictor, promo=-value)).prediction


@pytest.mark.parametrize("model", ["arima", "rf_xgb_mean"])
def test_no_plan_counts_for_a_day_beyond_what_is_ever_planned(days_shop, model):
    predictor, day = made(days_shop, model), date(9999, 12, 1)
    usual = predictor.predict((2,), day, told(predictor))
    supplied = predictor.predict((2,), day, told(predictor, promo=1))
    assert same(supplied, usual)
    assert UsedCovariate(1, "not used") == supplied.covariates["Promo"]
    assert "Promo 1 is not used: no plan counts so far ahead." in supplied.warnings
