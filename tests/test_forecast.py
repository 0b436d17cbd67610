"""Forecasts of what comes after all that is known: those that a backtest would have judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from holidays import country_holidays
from threadpoolctl import threadpool_info, threadpool_limits

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import OPEN, Array, Panel
from sales_forecast.evaluation import forecast, judged
from sales_forecast.evaluation.backtest import KEY_COLUMNS, backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models import catalogue
from sales_forecast.models.naive import BASELINES
from sales_forecast.models.pooled import POOLED
from sales_forecast.prediction import forecast as one_way
from sales_forecast.prediction.cautions import cautions
from tests.builders import days, panel_of, sample_panel, with_sales
from tests.trained import silent

MODELS = catalogue.choose("pooled,random_forest,xgboost")


def one_window(horizon: int) -> RollingOrigin:
    return RollingOrigin(horizon=horizon, windows=1, step=1)


def test_a_forecast_is_what_a_backtest_judges_when_the_weeks_have_come():
    panel = sample_panel(3)
    known = panel.until(panel.periods[-5])
    said = forecast.ahead(known, MODELS, 4, silent)
    judged = backtest(panel, MODELS, one_window(4))
    names = [name for name in judged.columns if name not in ("y", "holiday")]
    assert [*said.columns] == names
    pd.testing.assert_frame_equal(said, judged[names])


def test_it_is_as_sure_as_the_backtest_was_up_to_then():
    panel = sample_panel(3)
    scored = judged.score_models(panel, BASELINES, RollingOrigin(2, 30, 1), silent)
    last = scored["cutoff"].max()
    before = scored[scored["ds"] <= last]
    said = judged.forecast(panel.until(last), BASELINES, before, 2, silent)
    expected = scored[scored["cutoff"] == last].drop(columns=["y", "holiday"])
    pd.testing.assert_frame_equal(said, expected.reset_index(drop=True)[[*said.columns]])


def test_the_mean_of_both_trees_comes_with_them():
    panel = sample_panel(2)
    trees = catalogue.choose("rf_xgb_mean")
    scored = judged.score_models(panel, trees, one_window(2), silent)
    said = judged.forecast(panel, trees, scored, 2, silent)
    both = said[["random_forest", "xgboost"]].mean(axis=1)
    pd.testing.assert_series_equal(said["rf_xgb_mean"], both, check_names=False)


def test_every_series_has_a_row_for_every_step():
    said = forecast.ahead(sample_panel(2, 60), BASELINES, 3, silent)
    assert [*KEY_COLUMNS[:3], "step"] == [*said.columns[:4]]
    assert ["1", "1", "1", "2", "2", "2"] == said["unique_id"].tolist()
    assert [1, 2, 3, 1, 2, 3] == said["step"].tolist()
    assert not said.isna().to_numpy().any()


def daily(plan: np.ndarray) -> Panel:
    """Two shops that are shut on Sundays, and a plan that may reach beyond their days."""
    n = 70
    y = np.full((2, n), 10.0)
    y[:, 6::7] = np.nan
    return Panel(y, days("2024-01-01", n), ("1", "2"), plan={OPEN: plan}, frequency=DAILY)


def medians(panel: Panel, horizon: int) -> list[float]:
    """What the last value says of the days ahead, nothing measured of it."""
    expected = forecast.ahead(panel, BASELINES[:1], horizon, silent)
    return with_quantiles(expected, panel, expected.iloc[:0].assign(y=[]))["naive"].tolist()


def test_days_that_are_closed_by_plan_sell_nothing():
    plan = np.ones((2, 77))
    plan[:, 6::7] = 0
    plan[0, 71] = 0  # a Tuesday
    plan[1, 76] = 1  # a Sunday
    said = medians(daily(plan), 7)
    assert [10, 0, 10, 10, 10, 10, 0] == said[:7]
    assert [10] * 7 == said[7:]


def test_where_there_is_no_plan_shops_are_shut_as_usual():
    plan = np.ones((2, 70))
    plan[:, 6::7] = 0
    assert 2 * [10, 10, 10, 10, 10, 10, 0] == medians(daily(plan), 7)


def test_a_plan_of_weeks_that_is_called_open_closes_nothing():
    panel = replace(sample_panel(2, 60), plan={OPEN: np.zeros((2, 70))})
    assert (forecast.ahead(panel, BASELINES, 3, silent)["naive"] > 0).all()


def test_public_holidays_to_come_need_no_rows(tmp_path: Path):
    """Half is sold on them; what is judged and what is said is the same."""
    periods = days("2013-01-01", 500)  # until the 15th of May 2014
    usual = 100 + 10 * ((periods.astype(np.int64) + 3) % 7)
    free = np.isin(periods, np.array(sorted(country_holidays("DE", years=(2013, 2014))), "M8[D]"))
    sold = np.where(free, usual / 2, usual)
    rows = [f"a,{day},{sales}" for day, sales in zip(periods, sold, strict=True)]
    (tmp_path / "my.toml").write_text(
        'series = ["shop"]\ndate = "day"\ntarget = "sold"\nfrequency = "daily"\ncountry = "DE"\n'
    )

    def read(n: int) -> Panel:
        (tmp_path / "sales.csv").write_text("\n".join(["shop,day,sold", *rows[:n]]))
        return read_panel(tmp_path / "sales.csv", str(tmp_path / "my.toml"))

    said = forecast.ahead(read(484), [POOLED], 16, silent)
    judged = backtest(read(500), [POOLED], one_window(16))
    np.testing.assert_allclose(said["pooled"], judged["pooled"])
    (first_of_may,) = said["pooled"][said["ds"] == "2014-05-01"]
    assert first_of_may < 0.7 * np.median(said["pooled"])


def test_of_young_series_nothing_is_promised_before_they_were_measured():
    panel = with_sales(sample_panel(4, 110), 0, 0, 100, np.nan)
    scored = judged.score_models(panel, BASELINES, RollingOrigin(1, 40, 1), silent)
    said = judged.forecast(panel, BASELINES, scored, 1, silent)
    assert [True, False, False, False] == np.isnan(said["naive_hi_80"]).tolist()


def test_young_series_stray_as_young_ones_did():
    """They went up and down by half, and the others hardly at all."""
    rng = np.random.default_rng(0)
    old = 100 * np.exp(0.01 * rng.standard_normal((4, 150)))
    young = 100 * np.exp(0.5 * rng.standard_normal((4, 150)))
    young[:, :105] = np.nan
    panel = panel_of(np.vstack([old, young]))
    scored = judged.score_models(panel, BASELINES[:1], RollingOrigin(1, 40, 1), silent)
    said = judged.forecast(panel, BASELINES[:1], scored, 1, silent)
    width = ((said["naive_hi_80"] - said["naive_lo_80"]) / said["naive"]).to_numpy()
    assert width[4:].min() > 10 * width[:4].max()


def test_series_of_which_nothing_is_known_stray_as_such_ones_did():
    """Shops open week by week, at a tenth to ten times what the others sell."""
    rng = np.random.default_rng(0)
    y = 100 * np.exp(0.01 * rng.standard_normal((60, 130)))
    for row, week in enumerate(range(80, 125), start=10):
        y[row] *= np.exp(rng.uniform(-2.3, 2.3))
        y[row, :week] = np.nan
    y[59] = np.nan
    panel = panel_of(y)
    scored = judged.score_models(panel, BASELINES[:1], RollingOrigin(1, 55, 1), silent)
    said = judged.forecast(panel, BASELINES[:1], scored, 1, silent)
    new = said.iloc[-1]
    assert 5 < new["naive_lo_80"] < 50  # 80% of all that may open lie between 16 and 630
    assert 400 < new["naive_hi_80"] < 1000
    old = said.iloc[0]
    assert old["naive_hi_80"] - old["naive_lo_80"] < 0.1 * old["naive"]


def test_a_year_of_sales_needs_no_words():
    assert {} == cautions(sample_panel(2, 52))


@pytest.mark.parametrize(
    ("first", "words"), [(1, "51 weeks of its sales are"), (51, "1 week of its sales is")]
)
def test_little_history_is_said_with_its_weeks(first, words):
    panel = with_sales(sample_panel(2, 52), 1, 0, first, np.nan)
    text = f"Only {words} known, too few to tell its season."
    assert {"2": text} == cautions(panel)


@pytest.mark.parametrize(("idle", "ended"), [(12, False), (13, True)])
def test_a_series_without_sales_for_a_quarter_may_have_ended(idle, ended):
    panel = with_sales(sample_panel(2, 80), 0, 80 - idle, None, np.nan)
    text = f"No sales since {panel.periods[80 - idle - 1]}: it may have ended."
    assert ({"1": text} if ended else {}) == cautions(panel)


@pytest.mark.parametrize(("idle", "ended"), [(90, False), (91, True)])
def test_a_quarter_is_as_long_in_days(idle, ended):
    y = np.full((1, 400), 10.0)
    y[0, 400 - idle :] = np.nan
    panel = Panel(y, days("2024-01-01", 400), ("1",), frequency=DAILY)
    assert ended == ("may have ended" in cautions(panel).get("1", ""))


def test_weeks_of_nothing_sold_are_known():
    panel = with_sales(sample_panel(1, 80), 0, 0, 60, 0.0)
    assert {} == cautions(panel)


@pytest.mark.parametrize(("y", "so"), [(0.0, "never sold anything"), (-3.0, "had returns alone")])
def test_a_series_that_never_sold_is_said_to_go_on_so(y, so):
    panel = with_sales(sample_panel(2, 60), 1, 0, None, y)
    assert {"2": f"It {so}: expected to go on so."} == cautions(panel)


def test_the_peers_of_an_unknown_series_are_named_or_counted():
    panel = with_sales(sample_panel(8, 60), 1, 0, None, np.nan)
    start = "Nothing is known of it: expected to sell 100% of what its like do, "
    assert {"2": f"{start}7 series."} == cautions(panel)
    sized = replace(panel, traits={"size": np.array([1.0, 2, 3, 4, 5, 60, 70, 80])})
    assert {"2": f"{start}1, 3, 4, 5, 6."} == cautions(sized)
    twins = replace(panel, traits={"size": np.array([1.0, 2, 3, 4, 5, 60, 60, 80])})
    assert {"2": f"{start}6 series."} == cautions(twins)


def test_small_matrices_are_not_shared_among_threads():
    """On a busy machine, or with half a processor, threads cost tenfold."""

    class Counts:
        def predict(self, history: Panel, horizon: int, conditions: object = None) -> Array:
            return np.full((history.n_series, horizon), float(threads()))

    def threads() -> int:
        return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    panel = panel_of([[1.0, 2.0, 3.0]])
    with threadpool_limits(limits=2):
        assert 2 == threads()
        assert [[1.0]] == one_way.forecast({"counts": Counts()}, panel, 1)[
            "counts"
        ].if_sold.tolist()
        assert 2 == threads()
