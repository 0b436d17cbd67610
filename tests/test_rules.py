"""The rules that watch a champion's errors, by values worked out by hand and by planted shifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from sales_forecast.data.forecasts.week_ahead import WeekAhead
from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.operations.monitoring import rules
from sales_forecast.operations.monitoring.errors import Errors, errors_of
from sales_forecast.operations.monitoring.rules import CHAIN, COVERAGE, GROUP, SERIES, WARM_UP
from sales_forecast.operations.monitoring.watch import Raised, alarms, judged_weeks
from tests.builders import panel_of, weeks

N_SERIES, N_WEEKS = 12, 87
FIRST = "2011-03-04"


def errors(seed: int = 0, n_series: int = N_SERIES, n_weeks: int = N_WEEKS) -> Errors:
    """Errors of the size of real ones: the chain errs by 1.5%, a series by 3% beside it."""
    random = np.random.default_rng(seed)
    chain = 0.015 * random.standard_normal(n_weeks)
    logs = chain + 0.03 * random.standard_normal((n_series, n_weeks))
    panel = panel_of(1000 * np.exp(logs), FIRST)
    expected = np.full_like(logs, 1000.0)
    reach = 1.2816 * np.hypot(0.015, 0.03)
    ends = expected * np.exp(-reach), expected * np.exp(reach)
    return errors_of(panel, WeekAhead(expected, *ends, expected))


def shifted(of: Errors, rows: slice, factor: float, start: int = 60) -> Errors:
    sold = of.sold.copy()
    sold[rows, start:] *= factor
    return replace(of, sold=sold)


def rung(of: Errors, rule: str) -> list[Raised]:
    return [raised for raised in alarms(of) if raised.alarm.rule == rule]


def test_errors_are_measured_in_deviations_of_the_weeks_before() -> None:
    past = np.tile([-0.01, 0.01], WARM_UP // 2)
    x = np.append(past, [0.05, 0.0])[None, :]
    z = rules.standardised(x, np.ones(WARM_UP + 2))
    assert np.isnan(z[0, :WARM_UP]).all()
    # The median is 0; 1.4826 times the median deviation of 0.01 is more than 0.8 times the sd.
    assert 0.05 / 0.014826 == pytest.approx(z[0, WARM_UP])


def test_roundings_of_what_never_changes_are_no_errors() -> None:
    z = rules.standardised(np.append(np.zeros(WARM_UP), 1e-6)[None, :], np.ones(WARM_UP + 1))
    assert 0.001 == pytest.approx(z[0, -1])


def test_a_centre_is_drawn_half_way_to_no_error_after_as_many_weeks_as_the_prior_has() -> None:
    past = 0.02 + np.tile([-0.01, 0.01], WARM_UP // 2)
    z = rules.standardised(np.append(past, 0.05)[None, :], np.ones(WARM_UP + 1))
    assert (0.05 - 0.01) / 0.014826 == pytest.approx(z[0, -1])


def test_an_error_in_a_week_of_events_counts_less() -> None:
    past = np.tile([-0.01, 0.01], WARM_UP // 2)
    scale = np.append(np.ones(WARM_UP), 1.5)
    z = rules.standardised(np.append(past, 0.05)[None, :], scale)
    assert 0.05 / 0.014826 / 1.5 == pytest.approx(z[0, -1])


def test_series_lend_each_other_their_scale() -> None:
    quiet = np.append(np.tile([-0.01, 0.01], WARM_UP // 2), 0.05)
    z = rules.standardised(np.stack([quiet, 3 * quiet]), np.ones(WARM_UP + 1), pooled=True)
    usual = 0.02 * 1.4826  # the median of 0.01 and 0.03
    width = np.sqrt((26 * 0.014826**2 + 13 * usual**2) / 39)
    assert 0.05 / width == pytest.approx(z[0, -1])


def test_a_sum_forgives_its_slack_rings_above_its_limit_and_begins_anew() -> None:
    z = np.array([[2.0, 2.0, 2.0, 0.0, -9.0, -9.0, -9.0]])
    found = rules.added_up(z, replace(GROUP, slack=1.0, limit=2.5, cap=3.0))
    assert [1, 2, 3, 0, 0, 0, 0] == found.above[0].tolist()
    assert [0, 0, 0, 0, 2, 4, 2] == found.below[0].tolist()
    # Week 6 passes the limit, too: within eight weeks it is the same incident.
    assert [2] == np.flatnonzero(found.rings[0]).tolist()
    assert [1, 2, 3, 0, 2, 4, 2] == found.statistic[0].tolist()


def test_a_subject_rings_again_after_eight_weeks() -> None:
    z = np.tile([[4.0] + 8 * [0.0]], 2)
    found = rules.added_up(z, replace(CHAIN, limit=2.25))
    assert [0, 9] == np.flatnonzero(found.rings[0]).tolist()


def test_unknown_weeks_change_nothing() -> None:
    z = np.array([[2.0, np.nan, 2.0]])
    assert [1, 1, 2] == rules.added_up(z, CHAIN).above[0].tolist()


@pytest.mark.parametrize(("n", "rings"), [(2, 0), (3, 1)])
def test_three_extreme_weeks_of_a_series_ring_and_two_do_not(n: int, rings: int) -> None:
    z = np.array([[*n * [20.0], 0.0, 0.0]])
    assert rings == rules.added_up(z, SERIES).rings.sum()


def test_intervals_that_hold_too_much_are_no_alarm() -> None:
    share = np.append(np.tile([0.75, 0.85], 20), np.ones(20))
    z = rules.shortfall(share[None, :], np.ones(60), 45)
    assert not rules.added_up(z, COVERAGE).rings.any()


def test_coverage_is_counted_in_deviations_from_its_promise_that_know_weeks() -> None:
    share = np.append(np.tile([0.68, 0.92], WARM_UP // 2), 0.5)
    z = rules.shortfall(share[None, :], np.ones(WARM_UP + 1), 45)
    assert 0.3 / 0.12 == pytest.approx(z[0, -1])


def test_coverage_is_counted_in_no_smaller_deviations_than_chance_has() -> None:
    share = np.append(np.full(WARM_UP, 0.8), 0.5)
    z = rules.shortfall(share[None, :], np.ones(WARM_UP + 1), 45)
    assert 0.3 / np.sqrt(0.8 * 0.2 / 45) == pytest.approx(z[0, -1])


@pytest.mark.parametrize(("n_series", "alike"), [(3, 0.0), (45, 0.4), (3_000, 0.4)])
def test_intervals_that_hold_what_they_promise_ring_less_than_once_in_five_years(
    n_series: int, alike: float
) -> None:
    """Those of one week err together, and neighbouring weeks are alike."""
    random = np.random.default_rng(0)
    histories, n_weeks = 400, WARM_UP + 78
    common = random.standard_normal((histories, n_weeks))
    for week in range(1, n_weeks):
        common[:, week] *= np.sqrt(1 - alike**2)
        common[:, week] += alike * common[:, week - 1]
    promised = norm.cdf(norm.ppf(0.8) * np.sqrt(1.1) + np.sqrt(0.1) * common)
    share = random.binomial(n_series, promised) / n_series
    z = rules.shortfall(share, np.ones(n_weeks), n_series)
    years = histories * (n_weeks - WARM_UP) / 52
    assert 0 < rules.added_up(z, COVERAGE).rings.sum() / years < 0.2


def test_two_weeks_of_intervals_that_held_nothing_do_not_ring_and_three_do() -> None:
    for n, rings in ((2, 0), (3, 1)):
        share = np.concatenate([np.tile([0.75, 0.85], 20), n * [0.0], [0.8]])
        z = rules.shortfall(share[None, :], np.ones(len(share)), 45)
        assert rings == rules.added_up(z, COVERAGE).rings.sum()


def test_the_limit_of_the_chain_is_what_its_past_passes_once_in_five_years() -> None:
    random = np.random.default_rng(3)
    quiet = rules.limits_of(0.5 * random.standard_normal(200), CHAIN)
    assert (quiet == CHAIN.limit).all()
    noisy = rules.limits_of(1.5 * random.standard_normal(200), CHAIN)
    assert (noisy[:WARM_UP] == CHAIN.limit).all()
    assert noisy[-1] > 4


def test_nothing_rings_of_errors_without_bias_more_than_once_a_year() -> None:
    seeds = range(12)
    found = [len(alarms(errors(seed))) for seed in seeds]
    years = len(seeds) * (N_WEEKS - WARM_UP) / 52
    assert 0 < sum(found) <= years


def test_a_shift_of_all_sales_rings_for_the_chain_within_two_weeks() -> None:
    for factor, up in ((1.1, True), (0.9, False)):
        first = rung(shifted(errors(3), slice(None), factor), "chain")[0]
        assert first.up is up
        assert first.confirmed
        assert first.alarm.week <= (weeks(FIRST, N_WEEKS)[61]).item()
        assert ("above" if up else "below") in first.alarm.message


@pytest.mark.parametrize("still_sells", [0, 2])
def test_a_chain_that_sells_nothing_rings_at_once_and_asks_for_no_training(
    still_sells: int,
) -> None:
    fallen = shifted(errors(3), slice(still_sells, None), 0.0)
    fallen.inside[still_sells:, 60:] = 0.0
    before = [of.alarm for of in alarms(errors(3))]
    (first, *_) = found = [of for of in alarms(fallen) if of.alarm not in before]
    assert {"chain"} == {of.alarm.rule for of in found}
    assert weeks(FIRST, N_WEEKS)[60].item() == first.alarm.week
    sold = f"{fallen.sold[:, 60].sum():,.0f}"
    assert first.alarm.message.startswith(
        f"All series together sold {sold} in the week to 2012-04-27, where 12,000 was forecast, and"
    )
    assert first.alarm.message.endswith("Were these sales loaded whole?")
    assert {None} == {of.confirmed for of in found}


def test_a_few_series_that_sell_nothing_say_as_much_of_the_chain_as_if_unknown() -> None:
    closed, unknown = (
        [(of.alarm.week, of.alarm.statistic) for of in rung(found, "chain")]
        for found in (shifted(errors(3), slice(0, 5), factor) for factor in (0.0, np.nan))
    )
    assert closed == unknown


def test_a_shift_of_one_series_rings_for_that_series() -> None:
    found = [of for of in alarms(shifted(errors(3), slice(4, 5), 0.75)) if of.alarm.rule != "chain"]
    assert {("series", "5")} == {(of.alarm.rule, of.alarm.subject) for of in found}
    assert not any(of.up for of in found)


def test_a_shift_that_passed_is_not_confirmed() -> None:
    sold = errors(3).sold.copy()
    sold[:, 60] *= 1.15
    first = rung(replace(errors(3), sold=sold), "chain")[0]
    assert first.confirmed is False
    last = replace(errors(3), sold=sold)
    early = replace(
        last,
        weeks=last.weeks[:62],
        **{name: getattr(last, name)[:, :62] for name in ("sold", "expected", "inside")},
    )
    assert rung(early, "chain")[0].confirmed is None


def test_wider_errors_ring_for_the_intervals() -> None:
    wide = errors(3)
    logs = np.log(wide.sold / 1000)
    inside = wide.inside.copy()
    inside[:, 60:] = np.abs(2 * logs[:, 60:]) < 1.2816 * np.hypot(0.015, 0.03)
    found = rung(replace(wide, inside=inside), "coverage")
    assert found
    assert weeks(FIRST, N_WEEKS)[60].item() <= found[0].alarm.week


def test_later_weeks_change_no_earlier_alarm() -> None:
    whole = shifted(errors(5), slice(0, 4), 0.7, start=40)
    stop = 70
    other = shifted(whole, slice(None), 3.0, start=stop)

    def until(of: Errors) -> list[tuple[object, ...]]:
        found = [raised.alarm for raised in alarms(of)]
        return [vars(alarm).items() for alarm in found if alarm.week < of.weeks[stop].item()]

    assert until(whole)
    assert [*map(dict, until(whole))] == [*map(dict, until(other))]


def test_series_of_two_keys_ring_by_ranges_of_the_second_and_never_alone() -> None:
    base = panel_of(np.ones((20, 60)))
    departments = np.tile(np.arange(1, 11), 2)
    panel = replace(base, keys={"Store": np.repeat([1, 2], 10), "Dept": departments})
    ones = np.ones((20, 60))
    found = errors_of(panel, WeekAhead(ones, ones, ones, ones))
    assert ["Dept 1 to 2", "Dept 3 to 4", "Dept 5"] == [*found.groups][:3]
    assert [0, 1, 10, 11] == found.groups["Dept 1 to 2"].tolist()
    assert ["chain", "group", "coverage"] == [of.rule.name for of in found.signals()]


def test_a_group_of_two_keys_rings_when_its_series_move_and_not_when_its_largest_does() -> None:
    stores, departments = 6, 40
    keys = {
        "Store": np.repeat(np.arange(stores), departments),
        "Dept": np.tile(np.arange(1, departments + 1), stores),
    }
    of = errors(3, stores * departments)
    panel = panel_of(of.sold, FIRST)
    large = np.where(keys["Dept"] == 5, 1000.0, 1.0)[:, None]

    four_weeks = (np.arange(N_WEEKS) >= 60) & (np.arange(N_WEEKS) < 64)  # then models have learned

    def judged(shifted: npt.NDArray[np.bool_]) -> set[str]:
        y = of.sold * np.where(shifted[:, None] & four_weeks, 1.2, 1.0) * large
        expected = WeekAhead(*[of.expected * large] * 4)
        found = errors_of(replace(panel, y=y, keys=keys), expected)
        return {raised.alarm.subject for raised in rung(found, "group")}

    assert set() == judged(keys["Dept"] == 5)
    assert {"Dept 1 to 5"} == judged(keys["Dept"] <= 5)


def test_of_two_keys_the_chain_is_the_middle_series_and_accidents_of_small_ones_move_it_not() -> (
    None
):
    base = panel_of(np.ones((20, 60)))
    keys = {"Store": np.repeat([1, 2], 10), "Dept": np.tile(np.arange(1, 11), 2)}
    y = np.full((20, 60), 1.1)
    y[:4, 30] = 1000.0
    ones = np.ones((20, 60))
    for panel, chain in (
        (replace(base, y=y, keys=keys), np.log(1.1)),
        (replace(base, y=y), (4 * 2.0 + 16 * np.log(1.1)) / 20),
    ):
        (signal, *_) = errors_of(panel, WeekAhead(ones, ones, ones, ones)).signals()
        assert (("chain",), pytest.approx(chain)) == (signal.subjects, signal.values[0, 30])


def test_days_are_judged_by_whole_weeks_from_monday_on() -> None:
    days = np.datetime64("2026-01-01") + np.arange(27)  # a Thursday
    y = np.ones((1, 27))
    y[0, 7] = np.nan  # a closed day
    panel = Panel(y=y, periods=days, series=("1",), frequency=DAILY)
    two = np.full((1, 27), 2.0)
    two[0, 20] = np.nan  # a day that was not forecast
    found = errors_of(panel, WeekAhead(two, 0 * two, two, two))
    assert ["2026-01-11", "2026-01-18"] == found.weeks.astype(str).tolist()
    assert ([[6.0, 7.0]], [[12.0, 14.0]], [[1.0, 1.0]]) == tuple(
        values.tolist() for values in (found.sold, found.expected, found.inside)
    )


def test_shops_that_close_on_sundays_are_judged_every_week() -> None:
    days = np.datetime64("2026-01-05") + np.arange(21)  # a Monday
    y = np.ones((2, 21))
    y[:, 6::7] = np.nan
    panel = Panel(y=y, periods=days, series=("1", "2"), frequency=DAILY)
    found = errors_of(panel, WeekAhead(y, y, y, y))
    assert ["2026-01-11", "2026-01-18", "2026-01-25"] == found.weeks.astype(str).tolist()
    assert [[6.0] * 3] * 2 == found.sold.tolist()


def test_judging_begins_when_half_a_year_is_measured() -> None:
    assert 61 == judged_weeks(errors())
    assert 0 == judged_weeks(errors(n_weeks=20))
    assert () == alarms(errors(n_weeks=20))


def counts(seed: int, moved: float = 1.0) -> Errors:
    """Errors of the truth about 200 articles that sell 0.1 to 1.5 a week, moved from week 60 on."""
    rate = np.geomspace(0.1, 1.5, 200)[:, None] * np.where(np.arange(N_WEEKS) < 60, 1.0, moved)
    sold = np.random.default_rng(seed).poisson(rate).astype(np.float64)
    usual = np.broadcast_to(rate[:, :1], sold.shape)
    middle = np.ceil(usual - np.log(2))  # of a Poisson distribution, nearly
    return errors_of(panel_of(sold, FIRST), WeekAhead(middle, 0 * usual, 9 + usual, usual))


def test_articles_that_sell_at_times_are_judged_by_their_sum_and_seldom_ring() -> None:
    found = [len(alarms(counts(seed))) for seed in range(40)]
    years = 40 * (N_WEEKS - WARM_UP) / 52
    assert sum(found) / years < 1


def test_a_fifth_less_or_more_of_articles_that_sell_at_times_is_found_within_eight_weeks() -> None:
    for moved in (0.8, 1.2):
        soon = 0
        for seed in range(10):
            weeks = [each.alarm.week for each in rung(counts(seed, moved), "chain")]
            soon += any(60 <= counts(0).weeks.tolist().index(week) < 68 for week in weeks)
        assert soon >= 8
