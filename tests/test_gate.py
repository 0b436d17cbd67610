"""The gate: what a challenger has to beat, and what the verdict says."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales_forecast.bundles.manifest import AnsweredBy
from sales_forecast.evaluation.judged import Tables
from sales_forecast.training.gate import Check, Verdict, choose
from sales_forecast.training.gate import judge as judge_with
from sales_forecast.training.slices import groups_of
from tests import two_keys
from tests.builders import sample_panel, table_of

SOLD = [100.0, 100.0, 100.0, 100.0]
MODELS = AnsweredBy(predict_sales="rf_xgb_mean", forecast_sales="arima", best="arima")
BASELINE = AnsweredBy(
    predict_sales="seasonal_naive_growth",
    forecast_sales="seasonal_naive_growth",
    best="seasonal_naive_growth",
)


def judge(
    tables: Tables, champion: Tables | None = None, champion_serving: AnsweredBy = MODELS
) -> Verdict:
    """Judge models by the two that answer for weekly stores."""
    if champion is None:
        return judge_with(tables, MODELS)
    return judge_with(tables, MODELS, champion, champion_serving)


def tables(
    mean: Sequence[float], arima: Sequence[float] = (105, 105, 105, 105), **table: str
) -> dict[str, pd.DataFrame]:
    """Both protocols; the growth baseline is always off by 10."""
    growth = [110.0] * len(mean)
    return {
        "one_step": table_of(
            SOLD[: len(mean)], {"seasonal_naive_growth": growth, "rf_xgb_mean": mean}, **table
        ),
        "many_steps": table_of(
            SOLD[: len(arima)],
            {"seasonal_naive_growth": [110.0] * len(arima), "arima": arima},
            **table,
        ),
    }


def all_off_by(error: float, **table: str) -> Tables:
    off = [100.0 + error] * 4
    return tables(off, off, **table)


def said(checks: Sequence[Check]) -> list[str]:
    return [str(check) for check in checks]


# Against the baseline


def test_a_challenger_better_than_the_baseline_passes_with_every_number():
    verdict = judge(all_off_by(5))
    assert verdict.passed
    assert () == verdict.shortfalls
    assert [
        "one_step WMAE of rf_xgb_mean against seasonal_naive_growth: 5 is below 10 (-50.0%)",
        "one_step RMSE of rf_xgb_mean against seasonal_naive_growth: 5 is below 10 (-50.0%)",
        "many_steps WMAE of arima against seasonal_naive_growth: 5 is below 10 (-50.0%)",
        "many_steps RMSE of arima against seasonal_naive_growth: 5 is below 10 (-50.0%)",
    ] == said(verdict.checks)


def test_a_worse_challenger_fails_and_is_told_by_how_much():
    verdict = judge(tables(mean=[105] * 4, arima=[112] * 4))
    assert not verdict.passed
    assert [
        "many_steps WMAE of arima against seasonal_naive_growth: 12 is not below 10 (+20.0%)",
        "many_steps RMSE of arima against seasonal_naive_growth: 12 is not below 10 (+20.0%)",
    ] == said(verdict.shortfalls)


def test_one_metric_that_falls_short_is_enough_to_fail():
    # Off by 0, 0, 0, 30: the mean error is 7.5, its root mean square 15.
    verdict = judge(tables(mean=[100, 100, 100, 130]))
    assert not verdict.passed
    assert [
        "one_step RMSE of rf_xgb_mean against seasonal_naive_growth: 15 is not below 10 (+50.0%)"
    ] == said(verdict.shortfalls)


def test_holiday_weeks_count_five_times():
    challenger = tables(mean=[105, 105, 105, 119])
    assert judge(challenger).checks[0].passed
    challenger["one_step"]["holiday"] = [0.0, 0.0, 0.0, 1.0]
    assert (5 * 3 + 5 * 19) / 8 == judge(challenger).checks[0].value
    assert not judge(challenger).passed


def test_as_good_as_the_baseline_is_not_better():
    assert not judge(all_off_by(10)).passed


def test_errors_are_said_in_units_of_sales_with_thousands():
    assert "x: 47,334 is below 55,840 (-15.2%)" == str(Check("x", 47_334.4, 55_840.2))


def test_an_error_that_is_not_a_number_does_not_pass():
    assert not Check("x", math.nan, 1.0).passed
    assert not Check("x", 1.0, math.nan).passed


# Without models


@pytest.mark.parametrize("column", [("one_step", "rf_xgb_mean"), ("many_steps", "arima")])
def test_tables_without_the_models_do_not_pass(column):
    protocol, model = column
    challenger = dict(all_off_by(5))
    challenger[protocol] = challenger[protocol].drop(columns=model)
    assert Verdict(()) == judge(challenger)
    assert not judge(challenger).passed


def test_a_protocol_that_could_not_run_does_not_pass():
    challenger = dict(all_off_by(5))
    del challenger["many_steps"]
    assert not judge(challenger).passed
    assert not judge({}).passed


# Against the champion


def test_a_better_challenger_takes_the_place_of_the_champion():
    verdict = judge(all_off_by(4), champion=all_off_by(5))
    assert verdict.passed
    assert [
        (
            "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on 4 equal weeks: "
            "4 is below 5.05 (-20.8%)"
        ),
        (
            "many_steps WMAE of arima against the champion's arima on 4 equal weeks: "
            "4 is below 5.05 (-20.8%)"
        ),
    ] == said(verdict.checks[4:])


def test_what_a_challenger_gains_is_said_in_wape_one_step_ahead():
    assert judge(all_off_by(4), champion=all_off_by(5)).wape_gain == pytest.approx(0.2)
    assert judge(all_off_by(6), champion=all_off_by(5)).wape_gain == pytest.approx(-0.2)
    assert judge(all_off_by(4)).wape_gain is None
    assert judge(all_off_by(4), champion=all_off_by(0)).wape_gain is None


def test_a_challenger_worse_than_the_champion_fails_though_it_beats_the_baseline():
    verdict = judge(all_off_by(7), champion=all_off_by(5))
    assert not verdict.passed
    assert [
        (
            "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on 4 equal weeks: "
            "7 is not below 5.05 (+38.6%)"
        ),
        (
            "many_steps WMAE of arima against the champion's arima on 4 equal weeks: "
            "7 is not below 5.05 (+38.6%)"
        ),
    ] == said(verdict.shortfalls)


@pytest.mark.parametrize(("error", "passed"), [(5.0, True), (5.04, True), (5.06, False)])
def test_one_hundredth_worse_than_the_champion_is_as_good(error, passed):
    assert passed == judge(all_off_by(error), champion=all_off_by(5)).passed


def test_the_champion_is_compared_on_the_weeks_that_both_predicted():
    # In the two weeks of both the champion is off by 2 and the challenger by 8; over all
    # weeks of each, the champion would look worse.
    champion = tables([150, 150, 102, 102], [150, 150, 102, 102], first="2011-12-23")
    challenger = tables([108, 108, 101, 101], [101, 101, 101, 101], first="2012-01-06")
    verdict = judge(challenger, champion)
    assert [
        (
            "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on 2 equal weeks: "
            "8 is not below 2.02 (+296.0%)"
        )
    ] == said(verdict.shortfalls)


def test_a_week_whose_sales_were_corrected_since_is_not_compared():
    champion = dict(all_off_by(1))
    corrected = champion["one_step"].copy()
    corrected.loc[:2, "y"] = 101.0
    champion["one_step"] = corrected
    verdict = judge(all_off_by(5), champion)
    assert [1, 4] == [int(check.what.split(" on ")[1][0]) for check in verdict.checks[4:]]
    champion["one_step"] = corrected.assign(y=101.0)
    assert 5 == len(judge(all_off_by(5), champion).checks)


def test_the_same_week_predicted_from_another_cutoff_is_another_question():
    verdict = judge(all_off_by(7), champion=all_off_by(5, step=2))
    assert verdict.passed
    assert 4 == len(verdict.checks)


def test_a_champion_of_other_stores_has_nothing_to_be_compared_with():
    verdict = judge(all_off_by(7), champion=all_off_by(5, store="2"))
    assert verdict.passed
    assert 4 == len(verdict.checks)


def test_the_baseline_as_champion_is_compared_by_what_it_answered():
    champion = {
        protocol: table.assign(seasonal_naive_growth=103.0).drop(columns=model)
        for (protocol, table), model in zip(
            all_off_by(1).items(), ["rf_xgb_mean", "arima"], strict=True
        )
    }
    verdict = judge(all_off_by(5), champion, BASELINE)
    assert [
        (
            "one_step WMAE of rf_xgb_mean against the champion's seasonal_naive_growth on 4 equal "
            "weeks: 5 is not below 3.03 (+65.0%)"
        ),
        (
            "many_steps WMAE of arima against the champion's seasonal_naive_growth on 4 equal "
            "weeks: 5 is not below 3.03 (+65.0%)"
        ),
    ] == said(verdict.shortfalls)


def test_a_champion_that_lacks_a_protocol_is_compared_on_the_other():
    champion = {"one_step": all_off_by(5)["one_step"]}
    assert 5 == len(judge(all_off_by(4), champion).checks)
    assert 4 == len(judge(all_off_by(4), champion={}).checks)


def test_judging_changes_no_table():
    challenger, champion = all_off_by(4), all_off_by(5)
    before = [table.copy() for table in (*challenger.values(), *champion.values())]
    judge(challenger, champion)
    after = [*challenger.values(), *champion.values()]
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_check_against_an_error_of_zero_can_be_said():
    assert "x: 1 is not below 0" == str(Check("x", 1.0, 0.0))


# Parts of the rows


Errors = Callable[[int, int], float]
"""Number of a series and of a week -> the error in percent."""
N_SERIES, N_SOLD_WEEKS = 15, 10
HOLIDAYS = (8, 9)
GROUPS = {str(number): f"Dept {'abc'[number % 3]}" for number in range(N_SERIES)}


def many(
    errors: Errors, *, n_series: int = N_SERIES, n_weeks: int = N_SOLD_WEEKS, scale: float = 100.0
) -> Tables:
    """Series that sell once, twice, three times ... the scale each week, two weeks of holidays."""
    parts = []
    for series in range(n_series):
        sold = np.full(n_weeks, scale * (series + 1))
        off = np.array([errors(series, week) for week in range(n_weeks)])
        predicted = sold * (1 + off / 100)
        models = {"seasonal_naive_growth": 2 * sold, "rf_xgb_mean": predicted, "arima": predicted}
        holiday = np.isin(np.arange(n_weeks), HOLIDAYS)
        parts.append(table_of(sold, models, holiday=holiday, store=str(series)))
    table = pd.concat(parts, ignore_index=True)
    return {"one_step": table, "many_steps": table}


def five(_: int, __: int) -> float:
    return 5.0


def parts_of(challenger: Tables, champion: Tables) -> list[Check]:
    verdict = judge_with(challenger, MODELS, champion, MODELS, GROUPS)
    return [check for check in verdict.checks if " weeks)" in check.what]


def test_of_each_kind_of_part_the_worst_is_a_check_of_its_own():
    last = N_SERIES - 1
    challenger = many(lambda series, week: 5.0 if series == last and week in HOLIDAYS else 4.0)
    ours = "one_step WMAE of rf_xgb_mean against the champion's rf_xgb_mean on"
    checks = parts_of(challenger, many(five))
    assert 3 * 2 == len(checks)
    assert [
        # Series sell 800 on average, the last one 1500: 1% of it is 1 of the mean of 15.
        f"{ours} holiday weeks (2 weeks): 33 is below 42 (-21.4%)",
        f"{ours} the largest third of the series (10 weeks): 53.67 is below 68.25 (-21.4%)",
        f"{ours} Dept c (10 weeks): 37.67 is below 47.25 (-20.3%)",
    ] == said(checks[:3])


@pytest.mark.parametrize(
    ("errors", "where"),
    [
        # Of 5% everywhere, 1% is better by far; holidays are two weeks of ten.
        (lambda _, week: 5.3 if week in HOLIDAYS else 1.0, "holiday weeks"),
        (lambda series, _: 6.0 if series < 5 else 1.0, "the smallest third of the series"),
        (lambda series, _: 6.0 if series % 3 == 1 else 1.0, "Dept b"),
    ],
)
def test_a_challenger_better_overall_and_much_worse_in_a_part_stays_challenger(
    errors: Errors, where: str
):
    verdict = judge_with(many(errors), MODELS, many(five), MODELS, GROUPS)
    assert not verdict.passed
    assert 2 == len(verdict.shortfalls)
    assert all(f"on {where} (" in check.what for check in verdict.shortfalls)


@pytest.mark.parametrize(("error", "passed"), [(5.2, True), (5.3, False)])
def test_in_a_part_a_twentieth_worse_is_as_good(error: float, passed: bool):
    challenger = many(lambda series, _: error if series < 5 else 1.0)
    assert passed == judge_with(challenger, MODELS, many(five), MODELS, GROUPS).passed


def test_parts_of_few_weeks_or_rows_are_not_judged():
    few = many(five, n_weeks=7)
    assert [] == parts_of(few, few)
    holidays_of_few = many(five, n_series=14)
    assert not any("holiday" in str(check) for check in parts_of(holidays_of_few, holidays_of_few))
    some = many(five, n_series=8)
    assert not any("third" in str(check) for check in parts_of(some, some))


def test_a_part_that_sells_nothing_is_not_judged():
    nothing = many(five, scale=0.0)
    assert [] == parts_of(nothing, nothing)


def test_groups_are_the_second_key_the_pool_or_none():
    two = two_keys.panel(3)
    assert {"1-a": "Dept a", "1-A": "Dept A", "1-b": "Dept b"} == {
        name: group for name, group in groups_of(two).items() if name.startswith("1-")
    }
    assert {} == groups_of(sample_panel(3, 3))
    articles = replace(
        two,
        keys={"Shop": two.keys["Store"]},
        pooled_by="kind",
        traits={"kind": np.array([str(number) for number in range(2, 11)])},
    )
    found = groups_of(articles)
    assert ("kind 2 to 3", "kind 10") == (found[two.series[0]], found[two.series[-1]])
    assert found[two.series[0]] == found[two.series[1]] != found[two.series[2]]
    assert 8 == len({*found.values()})


# Another panel than weekly stores: the best model of each protocol answers


def test_the_models_that_answer_are_the_ones_that_are_judged():
    serving = AnsweredBy(predict_sales="pooled", forecast_sales="ets", best="ets")
    off_by_three = [103.0] * 4
    both = {
        protocol: table.assign(pooled=off_by_three, ets=off_by_three)
        for protocol, table in all_off_by(20).items()
    }
    assert [
        "one_step WMAE of pooled against seasonal_naive_growth: 3 is below 10 (-70.0%)",
        "one_step RMSE of pooled against seasonal_naive_growth: 3 is below 10 (-70.0%)",
        "many_steps WMAE of ets against seasonal_naive_growth: 3 is below 10 (-70.0%)",
        "many_steps RMSE of ets against seasonal_naive_growth: 3 is below 10 (-70.0%)",
    ] == said(judge_with(both, serving).checks)


def test_a_champion_of_other_models_is_compared_by_what_it_answered():
    champion = {
        protocol: table.assign(ets=104.0).drop(columns=model)
        for (protocol, table), model in zip(
            all_off_by(1).items(), ["rf_xgb_mean", "arima"], strict=True
        )
    }
    serving = AnsweredBy(predict_sales="ets", forecast_sales="ets", best="ets")
    assert [
        (
            "one_step WMAE of rf_xgb_mean against the champion's ets on 4 equal weeks: "
            "3 is below 4.04 (-25.7%)"
        ),
        (
            "many_steps WMAE of arima against the champion's ets on 4 equal weeks: "
            "3 is below 4.04 (-25.7%)"
        ),
    ] == said(judge(all_off_by(3), champion, serving).checks[4:])


def test_a_champion_whose_model_is_not_in_its_table_is_not_compared():
    serving = AnsweredBy(predict_sales="ets", forecast_sales="ets", best="ets")
    assert 4 == len(judge(all_off_by(5), all_off_by(1), serving).checks)


# The best forecast


def forecasts(arima: Sequence[float], pooled: Sequence[float], **table: Any) -> Tables:
    sold = SOLD[: len(arima)]
    models = {"seasonal_naive_growth": [200.0] * len(sold), "arima": arima, "pooled": pooled}
    return {"many_steps": table_of(sold, models, **table)}


def best(tables: Tables) -> str:
    return choose(tables, stores=True).best


@pytest.mark.parametrize(
    ("arima", "pooled", "expected"),
    [
        ([105, 105], [104, 104], "pooled"),
        ([104, 104], [105, 105], "arima"),
        ([105, 105], [95, 105], "arima"),
        # Off by 10 and 0 or by 6 and 6: the mean error decides, and not its square.
        ([110, 100], [106, 106], "arima"),
    ],
)
def test_the_best_forecast_is_that_of_the_lowest_error_and_arima_where_both_are_equal(
    arima, pooled, expected
):
    assert expected == best(forecasts(arima, pooled))


def test_the_best_forecast_is_judged_with_holiday_weeks_counted_five_times():
    models = [100, 100, 100, 105], [103, 103, 103, 101]

    assert "arima" == best(forecasts(*models))
    assert "pooled" == best(forecasts(*models, holiday=[0, 0, 0, 1]))


def test_any_model_of_the_table_can_be_the_best_forecast():
    table = forecasts([105] * 4, [104] * 4)["many_steps"].assign(ensemble=103.0, ets=101.0)

    assert "ets" == best({"many_steps": table})


def test_where_arima_was_not_judged_the_best_of_the_others_is():
    table = forecasts([105] * 4, [104] * 4)["many_steps"].drop(columns="arima")

    assert "pooled" == best({"many_steps": table})
    assert "arima" == best({"one_step": forecasts([105], [104])["many_steps"]})
    assert "arima" == best({})


def test_of_weekly_stores_the_mean_of_both_trees_answers_one_step_and_arima_many():
    chosen = choose(forecasts([105] * 4, [104] * 4), stores=True)

    assert AnsweredBy(
        predict_sales="rf_xgb_mean", forecast_sales="arima", best="pooled"
    ) == chosen  # fmt: skip


def test_of_any_other_panel_the_best_of_each_protocol_answers():
    many = forecasts([105] * 4, [104] * 4)["many_steps"]
    one = many.rename(columns={"arima": "rf_xgb_mean"}).assign(ets=101.0)

    chosen = choose({"one_step": one, "many_steps": many}, stores=False)
    assert AnsweredBy(predict_sales="ets", forecast_sales="pooled", best="pooled") == chosen
    assert AnsweredBy(
        predict_sales="rf_xgb_mean", forecast_sales="arima", best="arima"
    ) == choose({}, stores=False)  # fmt: skip
