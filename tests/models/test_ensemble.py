"""The ensemble: weights from inner windows alone, and a mean of logarithms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from sales_forecast.errors import NotEnoughData
from sales_forecast.models.ensemble import (
    MEMBERS,
    EnsembleForecaster,
    MeanForecaster,
    by_inverse_errors,
)
from sales_forecast.models.fitted.blends import FittedEnsemble, FittedMean
from sales_forecast.models.naive import LAST_VALUE, SEASONAL_NAIVE
from tests.builders import daily_panel, log_growth, panel_of, sample_panel, with_sales

PERIODIC = 100.0 + np.tile(np.arange(52.0), 3)


@dataclass(eq=False)
class Constant:
    """Predicts one value, needs some weeks, and remembers what it was shown."""

    value: float
    name: str = "constant"
    needs: int = 1
    fitted: list[int] = field(default_factory=list)
    asked: list[tuple] = field(default_factory=list)

    def fit(self, panel):
        if panel.n_periods < self.needs:
            raise NotEnoughData("too few weeks")
        self.fitted.append(panel.n_periods)
        return self

    def predict(self, history, horizon, conditions=None):
        self.asked.append((history.n_periods, horizon, conditions))
        return np.full((history.n_series, horizon), self.value)


def weights_of(panel, *members) -> dict[str, float]:
    return dict(EnsembleForecaster(members).fit(panel).weights)


# Weights


def test_a_member_with_twice_the_squared_error_weighs_a_quarter():
    errors = np.array([[0.1, -0.1, 0.1, -0.1], [0.1, -0.1, 0.1, np.sqrt(5) * 0.1]])
    np.testing.assert_allclose(by_inverse_errors(errors), [0.8, 0.2])


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_weights_do_not_depend_on_how_hard_the_sales_are(scale):
    errors = np.random.default_rng(0).normal(0.0, 1.0, (4, 30))
    np.testing.assert_allclose(by_inverse_errors(errors), by_inverse_errors(errors * scale))


def test_members_that_were_never_wrong_share_all_of_it():
    assert [0.5, 0.0, 0.5] == by_inverse_errors(np.array([[0.0], [0.1], [0.0]])).tolist()


def test_without_any_error_to_judge_by_all_weigh_the_same():
    assert [0.25] * 4 == by_inverse_errors(np.empty((4, 0))).tolist()


def test_a_member_that_was_right_gets_all_the_weight():
    weights = weights_of(panel_of(PERIODIC), LAST_VALUE, SEASONAL_NAIVE)
    assert {"naive": pytest.approx(0.0), "seasonal_naive": pytest.approx(1.0)} == weights


def test_members_have_weights_by_name_and_differ_from_panel_to_panel():
    ensemble = EnsembleForecaster(MEMBERS)
    one, other = (ensemble.fit(sample_panel(3, n_weeks=n)).weights for n in (100, 143))
    assert [member.name for member in MEMBERS] == [*one] == [*other]
    assert one != other
    for weights in (one, other):
        assert pytest.approx(1.0) == sum(weights.values())
        assert min(weights.values()) >= 0.0


# What they are taken from


def test_members_are_judged_on_four_forecasts_of_the_last_20_weeks():
    member = Constant(100.0)
    EnsembleForecaster([member]).fit(panel_of(np.full(60, 100.0)))
    assert [60, 40] == member.fitted
    assert [(40, 8, None), (44, 8, None), (48, 8, None), (52, 8, None)] == member.asked


def test_inner_windows_of_days_are_as_long_as_those_of_weeks():
    member = Constant(100.0)
    EnsembleForecaster([member]).fit(daily_panel(n_series=2, n_days=420))
    assert [420, 280] == member.fitted
    assert [(280, 56, None), (308, 56, None), (336, 56, None), (364, 56, None)] == member.asked


def test_sales_of_the_inner_windows_decide_and_those_before_them_do_not():
    y = np.exp(5.0 + log_growth(2, 90)).round(2)
    members = Constant(130.0, "low"), Constant(170.0, "high")
    weights = weights_of(panel_of(y), *members)
    assert 0.0 < weights["low"] < 1.0
    before, inside = y.copy(), y.copy()
    before[:, :70] *= 3.0
    inside[:, 70] *= 1.1
    assert weights == weights_of(panel_of(before), *members)
    assert weights != weights_of(panel_of(inside), *members)


def test_a_store_that_goes_mad_counts_no_more_than_one_that_is_far_off():
    panel = panel_of(np.exp(5.0 + log_growth(3, 90)))
    members = Constant(130.0, "low"), Constant(170.0, "high")
    mad, madder = (
        weights_of(with_sales(panel, 0, 80, 83, sales), *members) for sales in (1e4, 1e9)
    )
    assert mad == madder


def test_weeks_without_sales_are_not_judged():
    panel = panel_of(np.exp(5.0 + log_growth(2, 90)))
    members = Constant(130.0, "low"), Constant(170.0, "high")
    alone = weights_of(panel.select(["2"]), *members)
    for sales in (np.nan, 0.0, -5.0):
        assert alone == weights_of(with_sales(panel, 0, 0, None, sales), *members)


@pytest.mark.parametrize(("weeks", "low"), [(20, 0.5), (84, 0.5), (85, 1.0)])
def test_where_the_weeks_before_the_inner_windows_are_too_few_all_weigh_the_same(weeks, low):
    members = Constant(100.0, "low", needs=1), Constant(170.0, "high", needs=65)
    if weeks < 65:
        members = Constant(100.0, "low"), Constant(170.0, "high")
    weights = weights_of(panel_of(np.full(weeks, 100.0)), *members)
    assert {"low": pytest.approx(low), "high": pytest.approx(1.0 - low)} == weights


def test_a_panel_too_short_for_a_member_is_refused():
    with pytest.raises(NotEnoughData, match="at least 56 weeks of sales"):
        EnsembleForecaster(MEMBERS).fit(sample_panel(2, n_weeks=55))


# The mean


def test_the_mean_is_one_of_logarithms():
    members = {"low": Constant(100.0), "high": Constant(400.0)}
    fitted = FittedEnsemble(members, {"low": 0.5, "high": 0.5})
    np.testing.assert_allclose(fitted.predict(panel_of([1.0, 2.0]), 3), [[200.0] * 3])


@pytest.mark.parametrize("weights", [{"one": 1.0}, None])
def test_members_are_asked_with_what_the_caller_knows(weights):
    member, known = Constant(100.0), {"Temperature": np.ones((1, 2))}
    members = {"one": member}
    blend = FittedEnsemble(members, weights) if weights else FittedMean(members)
    blend.predict(panel_of([1.0, 2.0]), 2, known)
    assert [(2, 2, known)] == member.asked


def test_the_plain_mean_of_models_is_one_of_sales():
    fitted = FittedMean({"low": Constant(100.0), "high": Constant(400.0)})
    np.testing.assert_allclose(fitted.predict(panel_of([1.0, 2.0]), 3), [[250.0] * 3])


def test_a_mean_is_fitted_by_fitting_its_members():
    members = Constant(100.0, "low"), Constant(400.0, "high")
    fitted = MeanForecaster(members, "both").fit(panel_of(np.full(60, 100.0)))
    assert ["low", "high"] == [*fitted.members]
    assert [[60], [60]] == [member.fitted for member in members]


def test_a_mean_is_as_easily_refused_as_its_members():
    with pytest.raises(NotEnoughData, match="too few weeks"):
        MeanForecaster([Constant(1.0, needs=61)], "mean").fit(panel_of(np.ones(60)))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(100.0, 400.0, 200.0), (0.0, 400.0, 400.0), (-5.0, 0.0, 0.0)],
)
def test_what_is_not_positive_counts_for_nothing_in_the_mean(one, other, expected):
    ensemble = FittedEnsemble({}, {"one": 0.5, "other": 0.5})
    found = ensemble.combine({"one": np.array([[one]]), "other": np.array([[other]])})
    np.testing.assert_allclose([[expected]], found)
