from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sales_forecast.data.alarms import Alarm
from sales_forecast.operations.monitoring.decide import Situation, decide

NEWEST = date(2012, 10, 26)
CHAIN, GROUP, SERIES, COVERAGE = (
    Alarm(NEWEST - timedelta(weeks=2), rule, rule, 3.0, 2.25, f"{rule} moved.")
    for rule in ("chain", "group", "series", "coverage")
)


def situation(
    *alarms: Alarm,
    new_weeks: int = 5,
    days: int = 30,
    confirmed: tuple[Alarm, ...] = (),
    refuted: tuple[Alarm, ...] = (),
    gains: tuple[float, ...] = (),
) -> Situation:
    return Situation(
        today=NEWEST,
        newest=NEWEST,
        trained_until=NEWEST - timedelta(weeks=new_weeks),
        trained_on=NEWEST - timedelta(days=days),
        alarms=alarms,
        confirmed=confirmed,
        refuted=refuted,
        gains=gains,
    )


@pytest.mark.parametrize(
    ("of", "action", "why"),
    [
        (situation(new_weeks=7), "nothing", "7 weeks are new"),
        (situation(new_weeks=8), "retrain", "8 weeks are new"),
        (situation(new_weeks=8, days=6), "nothing", "on 2012-10-20: at most one"),
        (situation(new_weeks=8, days=7), "retrain", "8 weeks are new"),
        (situation(SERIES), "nothing", "A lone series is no reason"),
        (situation(COVERAGE), "recalibrate_intervals", "coverage moved."),
        (situation(CHAIN), "nothing", "Two more weeks must confirm it."),
        (situation(GROUP), "nothing", "Two more weeks must confirm it."),
        (situation(CHAIN, confirmed=(CHAIN,)), "retrain", "say the same"),
        (situation(GROUP, confirmed=(GROUP,), new_weeks=4), "retrain", "say the same"),
        (situation(GROUP, confirmed=(GROUP,), new_weeks=3), "nothing", "needs 4 weeks"),
        (situation(GROUP, confirmed=(GROUP,), days=2), "nothing", "on 2012-10-24: at most one"),
        (situation(GROUP, refuted=(GROUP,)), "nothing", "it passed"),
        (situation(COVERAGE, new_weeks=8), "retrain", "coverage moved."),
        (situation(COVERAGE, new_weeks=8, days=1), "nothing", "on 2012-10-25: at most one"),
        (situation(COVERAGE, days=6), "nothing", "on 2012-10-20: at most one in 7 days."),
        (situation(COVERAGE, days=6), "nothing", "coverage moved."),
        (situation(COVERAGE, new_weeks=1, days=7), "recalibrate_intervals", "coverage moved."),
        (situation(new_weeks=-2), "nothing", "0 weeks are new"),
        (situation(new_weeks=1), "nothing", "1 week is new"),
    ],
)
def test_each_case_has_its_action_and_says_why(of: Situation, action: str, why: str) -> None:
    decided = decide(of)
    assert action == decided.action
    assert any(why in reason for reason in decided.reasons)


def test_the_gain_is_that_of_the_last_three_trainings_and_none_before() -> None:
    assert decide(situation(new_weeks=9)).expected_wape_gain is None
    gains = (0.5, 0.01, 0.02, 0.03)
    assert decide(situation(new_weeks=9, gains=gains)).expected_wape_gain == pytest.approx(0.02)
    assert decide(situation(gains=gains)).expected_wape_gain is None


@pytest.mark.parametrize(
    ("alarms", "told"), [((), 0), ((SERIES,), 0), ((SERIES, CHAIN), 1), ((COVERAGE,), 1)]
)
def test_inputs_explain_alarms_of_what_all_series_share_and_are_not_told_otherwise(
    alarms: tuple[Alarm, ...], told: int
) -> None:
    decided = decide(replace(situation(*alarms), inputs=["CPI differs."]))
    assert told == decided.reasons.count("CPI differs.")
