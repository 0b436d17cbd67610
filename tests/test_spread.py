"""The spread: one shape of errors, a width for each series, never narrower later, around 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Array, Panel
from sales_forecast.models.ages import (
    AGES,
    NEW,
    OLD,
    YOUNG,
    age_numbers,
    weeks_known,
    weeks_known_then,
)
from sales_forecast.models.asked import Asked, Forecasts
from sales_forecast.models.spread import (
    DECILES,
    LEVELS,
    MEDIAN,
    Spread,
    SpreadByAge,
    around,
    min_residuals,
    tail,
)
from tests.builders import daily_panel, days, panel_of

ENDS = (0.025, 0.1, MEDIAN, 0.9, 0.975)
SHAPE = np.linspace(-1.96, 1.96, 99)  # 0 in the middle, -1.96 + 0.04 * 9 at 0.1


def forecasts(
    y: Sequence[float] | Array,
    if_sold: Sequence[float] | Array | float = 1.0,
    *,
    series: Sequence[int] | Array | int = 0,
    step: Sequence[int] | Array | int = 1,
    chance: Array | float = 1.0,
    age: Sequence[int] | Array | int = 0,
    window: Array | None = None,
) -> Forecasts:
    """Forecasts of one series at one step, each of a window of its own, where nothing is said."""
    n = len(y)
    numbers = np.broadcast_to(np.asarray(series, dtype=np.intp), n)
    return Forecasts(
        names=[f"s{number}" for number in range(int(numbers.max(initial=0)) + 1)],
        series=numbers,
        age=np.broadcast_to(np.asarray(age, dtype=np.int8), n),
        step=np.broadcast_to(np.asarray(step, dtype=np.int64), n),
        chance=np.broadcast_to(np.asarray(chance, dtype=np.float64), n),
        if_sold=np.broadcast_to(np.asarray(if_sold, dtype=np.float64), n),
        window=np.arange(n) if window is None else window,
        y=np.asarray(y, dtype=np.float64),
    )


def factors(
    of: Spread,
    asked: Sequence[float] = ENDS,
    series: str = "s0",
    step: int = 1,
    chance: float = 1.0,
) -> Array:
    width = of.widths_of([series])
    return of.factors(asked, width, np.array([step]), np.array([chance]))[0]


def logs(n: int, deviation: float = 0.1, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0.0, deviation, n)


# The shape


@pytest.mark.parametrize("noise", ["normal", "laplace", "uniform"])
def test_each_decile_has_its_share_of_sales_below(noise):
    rng = np.random.default_rng(0)

    def drawn(n):
        sized = (0.0, 0.2) if noise != "uniform" else (-0.4, 0.4)
        return np.exp(getattr(rng, noise)(*sized, n))

    spread = Spread.measured(forecasts(drawn(4000)))
    below = drawn(4000)[:, None] < factors(spread, DECILES)
    np.testing.assert_allclose(below.mean(axis=0), DECILES, atol=0.03)


@pytest.mark.parametrize("level", LEVELS)
def test_an_interval_covers_its_share_of_sales(level):
    spread = Spread.measured(forecasts(np.exp(logs(4000))))
    later = np.exp(logs(4000, seed=1))
    lower, upper = factors(spread, (tail(level), 1 - tail(level)))
    inside = ((lower <= later) & (later <= upper)).mean()
    assert pytest.approx(level / 100, abs=0.02) == inside


@pytest.mark.parametrize("bias", [0.5, 1.0, 2.0])
def test_the_median_is_what_is_expected_however_wrong_that_was(bias):
    spread = Spread.measured(forecasts(bias * np.exp(logs(200))))
    at = factors(spread)
    assert 1.0 == at[2]
    assert (np.diff(at) > 0).all()


def test_skewed_sales_reach_further_up_than_down():
    spread = Spread.measured(forecasts(np.exp(np.random.default_rng(0).exponential(0.3, 500))))
    lower, _, upper = factors(spread, (0.1, MEDIAN, 0.9))
    assert upper - 1 > 2 * (1 - lower)


@pytest.mark.parametrize(("level", "needed"), [(80, 30), (95, 80)])
def test_too_few_residuals_promise_nothing_but_the_median(level, needed):
    assert needed == min_residuals(level)
    few, enough = (Spread.measured(forecasts(np.exp(logs(n)))) for n in (needed - 1, needed))
    asked = (tail(level), MEDIAN, 1 - tail(level))
    assert [True, False, True] == np.isnan(factors(few, asked)).tolist()
    assert 1.0 == factors(few, asked)[1]
    assert not np.isnan(factors(enough, asked)).any()


def test_deciles_are_promised_by_fewer_residuals_than_what_lies_beyond_them():
    spread = Spread.measured(forecasts(np.exp(logs(30))))
    assert not np.isnan(factors(spread, DECILES)).any()
    assert [True, False, False, False, True] == np.isnan(factors(spread)).tolist()


@pytest.mark.parametrize("y", [[], [1.0] * 100], ids=["no forecasts", "never wrong"])
def test_nothing_measured_promises_nothing(y):
    at = factors(Spread.measured(forecasts(y)), step=8)
    assert [True, True, False, True, True] == np.isnan(at).tolist()


def test_accidents_count_as_sevenfold_errors_at_most():
    y = np.exp(logs(1000))
    far, further = (
        Spread.measured(forecasts(np.where(np.arange(1000) % 50 == 0, accident, y)))
        for accident in (10.0, 1e9)
    )
    np.testing.assert_array_equal(factors(far), factors(further))


@pytest.mark.parametrize("nothing", [0.0, -5.0])
def test_a_sudden_nothing_and_returns_are_errors_where_sales_are_certain(nothing):
    y = np.where(np.arange(200) % 5 == 0, nothing, np.exp(logs(200)))
    spread = Spread.measured(forecasts(y))
    assert 200 == spread.rows
    assert factors(spread, (0.1,))[0] < 0.5


def test_nothing_is_no_error_where_it_may_be_that_nothing_is_sold():
    sold = np.exp(logs(400))
    y = np.where(np.arange(400) % 5 == 0, 0.0, sold)
    spread = Spread.measured(forecasts(y, chance=0.8))
    alone = Spread.measured(forecasts(sold[np.arange(400) % 5 > 0], chance=0.8))
    assert 320 == spread.rows
    np.testing.assert_array_equal(alone.shape, spread.shape)


@pytest.mark.parametrize(("if_sold", "chance"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_where_nothing_was_to_be_expected_nothing_is_measured(if_sold, chance):
    assert 0 == Spread.measured(forecasts(np.exp(logs(200)), if_sold, chance=chance)).rows


# Steps


def at_steps(growth: float, horizon: int = 8, n: int = 4000) -> Spread:
    step = np.repeat(np.arange(1, horizon + 1), n)
    wide = 1 + growth * (np.log1p(step) - np.log1p(np.arange(1, horizon + 1)).mean())
    error = np.random.default_rng(3).normal(0, 0.1 * wide)
    return Spread.measured(forecasts(np.exp(error), step=step))


def test_errors_that_grow_by_steps_are_covered_at_every_step():
    spread = at_steps(0.25)
    assert pytest.approx(0.25, abs=0.03) == spread.by_step
    middle = np.log1p(np.arange(1, 9)).mean()
    for step in (1, 4, 8, 26):
        deviation = 0.1 * (1 + 0.25 * (np.log1p(step) - middle))
        at = np.log(factors(spread, (0.1, 0.9), step=step))
        np.testing.assert_allclose(at, [-1.2816 * deviation, 1.2816 * deviation], rtol=0.1)


@pytest.mark.parametrize("growth", [-0.3, 0.0, 0.2, 1.5])
def test_a_later_step_is_never_narrower(growth):
    horizon = 8
    step = np.repeat(np.arange(1, horizon + 1), 100)
    error = np.random.default_rng(4).normal(0, 0.1 * step**growth)
    spread = Spread.measured(forecasts(np.exp(error), step=step))
    at = np.array([factors(spread, step=step) for step in range(1, 105)])
    assert (np.diff(at[:, :2], axis=0) <= 0).all()
    assert (np.diff(at[:, 3:], axis=0) >= 0).all()


def test_errors_that_shrink_later_are_as_wide_at_all_steps():
    spread = at_steps(-0.3)
    assert 0.0 == spread.by_step
    np.testing.assert_array_equal(factors(spread, step=1), factors(spread, step=52))


def test_errors_that_explode_widen_no_faster_than_a_bound():
    step = np.repeat(np.arange(1, 9), 100)
    error = np.random.default_rng(5).normal(0, 0.01 * step**2.0)
    spread = Spread.measured(forecasts(np.exp(error), step=step))
    assert 0.3 == spread.by_step
    near, far = (np.log(factors(spread, (0.9,), step=step))[0] for step in (1, 52))
    assert 1 < far / near < 4


def test_the_last_measured_step_is_known():
    assert 8 == at_steps(0.1).steps
    assert 0 == Spread.none().steps


# Series


def nine(n: int, seed: int = 2) -> Forecasts:
    """Forecasts of nine series, the first three of which stray four times as far."""
    rng = np.random.default_rng(seed)
    series = np.tile(np.arange(9), n)
    size = np.where(series < 3, 1e3, 1e6)
    error = np.where(series < 3, 0.4, 0.1) * rng.normal(size=9 * n)
    return forecasts(size * np.exp(error), size, series=series, window=np.repeat(np.arange(n), 9))


def test_series_that_stray_further_get_wider_intervals_and_all_are_covered():
    spread, later = Spread.measured(nine(200)), nine(400, seed=3)
    for level in LEVELS:
        ends = (tail(level), 1 - tail(level))
        for number in range(9):
            lower, upper = factors(spread, ends, series=f"s{number}")
            ratio = (later.y / later.if_sold)[later.series == number]
            assert (
                pytest.approx(level / 100, abs=0.06) == ((lower <= ratio) & (ratio <= upper)).mean()
            )
    small, large = (np.log(factors(spread, (0.9,), series=name))[0] for name in ("s0", "s8"))
    assert pytest.approx(4, rel=0.15) == small / large


def test_the_width_of_a_series_is_drawn_to_the_usual_by_three_forecasts():
    of = nine(16)
    spread = Spread.measured(of)
    error = np.abs(np.log(of.y / of.if_sold))
    assert pytest.approx(error.mean()) == spread.usual
    own = error[of.series == 0].mean()
    assert pytest.approx((16 * own + 3 * spread.usual) / 19) == spread.widths["s0"]


def test_many_steps_of_one_window_tell_less_of_a_series_than_as_many_windows():
    error = np.concatenate([np.full(64, 0.4), np.full(640, 0.1)]) * np.resize([-1, 1], 704)
    series = np.concatenate([np.zeros(64, int), np.ones(640, int)])
    many = Spread.measured(forecasts(np.exp(error), series=series))
    window = np.concatenate([np.zeros(64, int), np.arange(640)])
    one = Spread.measured(forecasts(np.exp(error), series=series, window=window))
    assert pytest.approx((64 * 0.4 + 3 * many.usual) / 67) == many.widths["s0"]
    assert pytest.approx((8 * 0.4 + 3 * one.usual) / 11) == one.widths["s0"]


def windows_of(
    n_windows: int, alike: float, rng: np.random.Generator, *, n_series: int = 20
) -> Forecasts:
    """Series of widths 0.05 to 0.2; `alike`: the part of a variance that they share in a window."""
    window, series = np.indices((n_windows, n_series)).reshape(2, -1)
    shared, own = rng.normal(size=n_windows)[window], rng.normal(size=len(series))
    width = np.geomspace(0.05, 0.2, n_series)[series]
    error = width * (np.sqrt(alike) * shared + np.sqrt(1 - alike) * own)
    return forecasts(np.exp(error), series=series, window=window)


@pytest.mark.parametrize("n_windows", [3, 5])
@pytest.mark.parametrize("alike", [0.0, 0.3])
def test_few_windows_promise_what_the_next_one_holds(n_windows, alike):
    rng = np.random.default_rng(7)
    inside = []
    for _ in range(300):
        of = windows_of(n_windows + 1, alike, rng)
        last = of.window == n_windows
        spread, now = Spread.measured(of.only(~last)), of.only(last)
        at = spread.factors((0.1, 0.9), spread.widths_of(now.names), now.step, now.chance)
        inside.append((at[:, 0] <= now.y) & (now.y <= at[:, 1]))
    assert 0.77 <= np.mean(inside) <= 0.83


def test_an_error_is_measured_by_the_width_that_the_other_windows_tell():
    of = windows_of(4, 0.3, np.random.default_rng(8))
    error = np.log(of.y)
    usual = np.abs(error).mean()
    in_widths = np.empty(len(error))
    for row in range(len(error)):
        others = (of.series == of.series[row]) & (of.window != of.window[row])
        in_widths[row] = error[row] / ((np.abs(error[others]).sum() + 3 * usual) / (3 + 3))
    off = in_widths - np.median(in_widths)
    wider = np.abs(in_widths).mean() / np.abs(off).mean()
    expected = wider * np.quantile(off, np.arange(1, 100) / 100)
    np.testing.assert_allclose(Spread.measured(of).shape, expected, atol=1e-12)


def test_what_all_windows_missed_alike_makes_intervals_wider():
    error = logs(4000, 0.1)
    (fair,), (biased,) = (
        np.log(factors(Spread.measured(forecasts(np.exp(by + error))), (0.9,))) for by in (0, 0.1)
    )
    # Of a normal error with as large a mean as deviation, the mean distance from 0 is 1.1666
    # deviations, and 0.7979 from its middle.
    assert pytest.approx(1.1666 / 0.7979, rel=0.03) == biased / fair


def test_no_quantile_is_beyond_the_largest_error_however_alike_the_others_are():
    y = np.where(np.arange(400) % 40 == 0, 1.2, 1.1)
    spread = Spread.measured(forecasts(y))
    assert np.exp(2.0) >= factors(spread, (0.99,))[0] > 1.0


def test_a_series_that_was_never_measured_strays_as_most_do():
    spread = Spread(SHAPE, 100, steps=1, usual=0.2, widths={"s0": 0.4}, middle=np.log(2))
    new, known = (np.log(factors(spread, series=name)) for name in ("new", "s0"))
    np.testing.assert_allclose(known, 2 * new, atol=1e-12)
    assert pytest.approx(0.2 * SHAPE[89]) == new[3]


def test_no_end_is_negative_however_wide():
    spread = Spread(SHAPE, 100, usual=50.0)
    at = factors(spread)
    assert 0.0 < at[0] < 1e-20
    assert np.isfinite(at).all()


# The chance that anything is sold


def test_quantiles_up_to_the_chance_of_nothing_are_0_and_the_others_follow_from_the_shape():
    spread = Spread(SHAPE, 100, usual=0.2)
    at = factors(spread, (0.1, 0.3, 0.4, MEDIAN, 0.7, 0.9), chance=0.6)
    assert [0.0, 0.0, 0.0] == at[:3].tolist()
    # Of the 60% with sales: (0.5 - 0.4) / 0.6 and so on.
    expected = np.interp([1 / 6, 0.5, 5 / 6], np.arange(1, 100) / 100, SHAPE)
    np.testing.assert_allclose(np.log(at[3:]), np.float64(0.2) * expected, atol=1e-12)


def test_the_median_is_0_where_it_is_likely_that_nothing_is_sold_and_below_if_that_is_possible():
    spread = Spread(SHAPE, 100, usual=0.2)
    medians = [factors(spread, (MEDIAN,), chance=chance)[0] for chance in (0.4, 0.5, 0.7, 1.0)]
    assert [0.0, 0.0] == medians[:2]
    assert 0 < medians[2] < medians[3] == 1.0


def test_where_nothing_is_sold_for_sure_all_quantiles_are_0_whatever_was_measured():
    for spread in (Spread.none(), Spread(SHAPE, 100)):
        assert [0.0] * 5 == factors(spread, chance=0.0).tolist()


def test_the_share_of_zeros_and_each_decile_are_covered():
    rng = np.random.default_rng(6)
    y = np.where(rng.random(6000) < 0.35, 0.0, np.exp(rng.normal(0, 0.3, 6000)))
    spread = Spread.measured(forecasts(y, chance=0.65))
    at = factors(spread, DECILES, chance=0.65)
    below = np.mean(y[:, None] <= at, axis=0)
    np.testing.assert_allclose(below, np.maximum(DECILES, 0.35), atol=0.02)


@given(
    error=st.lists(st.floats(-3, 3), min_size=30, max_size=100),
    horizon=st.integers(1, 90),
    at=st.tuples(st.integers(1, 400), st.just(0.0) | st.floats(1e-6, 1)),
    asked=st.lists(st.floats(0.001, 0.999), min_size=2, max_size=20),
    sales=st.sampled_from([-1e6, -1.0, 0.0, 1e-3, 1e6]),
)
def test_quantiles_never_cross(error, horizon, at, asked, sales):
    steps = 1 + np.arange(len(error)) % horizon
    spread = Spread.measured(forecasts(np.exp(error), step=steps))
    mirrored = sorted({*asked, *(1 - tau for tau in asked), MEDIAN})
    step, chance = at
    found = factors(spread, mirrored, step=step, chance=chance)
    said = around(np.array([sales]), found[None])[0]
    promised = said[~np.isnan(said)]
    assert len(promised)
    assert (np.diff(promised) >= 0).all()


def test_the_lower_end_of_returns_is_the_lower_one():
    at = factors(Spread(SHAPE, 100, usual=0.2))
    found = around(np.array([-100.0, 100.0]), np.array([at, at]))
    assert (np.diff(found) > 0).all()
    assert [-100.0, 100.0] == found[:, 2].tolist()
    np.testing.assert_array_equal(-found[0][::-1], found[1])


# Ages


def test_returns_stray_as_their_own_size_did_and_not_as_sales():
    sales, returns = np.exp(logs(300, 0.1)), -np.exp(logs(300, 0.4, seed=3))
    series = np.repeat((0, 1), 300)
    expected = np.where(series, -1.0, 1.0)
    of = Spread.measured(forecasts([*sales, *returns], expected, series=series))
    ((lower, upper),) = around(np.array([-1.0]), factors(of, (0.1, 0.9), series="s1")[None])
    assert np.mean((lower <= returns) & (returns <= upper)) == pytest.approx(0.8, abs=0.05)


def test_a_series_is_new_before_its_first_week_young_for_a_year_and_then_old():
    weeks = np.array([0, 1, 51, 52, 200], dtype=np.int16)
    assert [NEW, YOUNG, YOUNG, OLD, OLD] == [AGES[number] for number in age_numbers(weeks)]


def test_a_week_is_known_whatever_was_sold_in_it():
    y = np.full((3, 60), np.nan)
    y[0, 9:] = 0.0
    y[1, 8:] = -1.0
    y[1, 20:25] = np.nan
    assert [51, 47, 0] == weeks_known(panel_of(y)).tolist()


def test_a_week_of_days_is_known_by_any_day_of_it():
    panel = daily_panel(n_series=3, n_days=7 * 60)
    panel.y[0, : 7 * 9] = np.nan
    panel.y[1] = np.nan
    panel.y[1, 70] = 5.0
    assert [51, 1, 60] == weeks_known(panel).tolist()


def test_a_week_of_days_is_known_from_its_first_known_day_on():
    y = np.full((2, 16), np.nan)
    y[0, [2, 3, 9]] = 1.0
    y[1, 15] = 1.0
    panel = Panel(y, days("2024-01-01", 16), ("1", "2"), frequency=DAILY)
    then = weeks_known_then(panel)
    assert [0, 0, *[1] * 7, *[2] * 7] == then[0].tolist()
    assert [*[0] * 15, 1] == then[1].tolist()
    for period in range(16):
        known = weeks_known(panel.until(panel.periods[period]))
        assert then[:, period].tolist() == known.tolist()


def aged(n: int, ages: Sequence[str] = (OLD, YOUNG)) -> Forecasts:
    """The nine series, a part of whose forecasts are of another age: of young ones, far off."""
    of = nine(n)
    age = np.where(np.arange(len(of.y)) % 17 == 0, AGES.index(ages[1]), AGES.index(ages[0]))
    error = np.log(of.y / of.if_sold)
    y = of.if_sold * np.exp(np.where(age == AGES.index(YOUNG), 10 * error, error))
    return forecasts(y, of.if_sold, series=of.series, age=age, window=of.window)


def by_age(
    spread: SpreadByAge, age: str, series: int = 0, asked: Sequence[float] = ENDS, step: int = 1
) -> Array:
    names = [f"s{number}" for number in range(9)]
    place = np.array([AGES.index(age)], dtype=np.int8)
    one = Asked(names, np.array([series]), place, np.array([step]), np.ones(1))
    return spread.factors(asked, one)[0]


def test_young_series_are_measured_apart_and_all_alike():
    spread = SpreadByAge.measured(aged(400))
    assert by_age(spread, YOUNG, 8)[1] < 0.5 * by_age(spread, OLD, 8)[1]
    np.testing.assert_array_equal(by_age(spread, YOUNG, 0), by_age(spread, YOUNG, 8))
    assert by_age(spread, OLD, 0)[1] < by_age(spread, OLD, 8)[1]


def test_the_quantiles_of_an_age_are_those_that_its_forecasts_alone_give():
    of = aged(40)
    spread, alone = SpreadByAge.measured(of), Spread.measured(of.only(of.age == 0))
    np.testing.assert_array_equal(factors(alone, series="s1"), by_age(spread, OLD, 1))


@pytest.mark.parametrize("age", AGES)
def test_of_an_age_that_was_never_measured_nothing_is_promised_but_the_median(age):
    others = [one for one in AGES if one != age]
    spread = SpreadByAge.measured(aged(400, others))
    assert set(others) == set(spread.of_age)
    for of in (spread, SpreadByAge.none()):
        assert [True, True, False, True, True] == np.isnan(by_age(of, age)).tolist()
        assert 1.0 == by_age(of, age)[2]


@pytest.mark.parametrize(("few", "promised"), [(29, False), (30, True)])
def test_of_an_age_of_which_too_little_was_measured_nothing_is_promised(few, promised):
    of = nine(40)
    age = np.where(np.arange(len(of.y)) < few, AGES.index(NEW), AGES.index(OLD))
    spread = SpreadByAge.measured(
        forecasts(of.y, of.if_sold, series=of.series, age=age, window=of.window)
    )
    lower_95, lower_80, median, *_ = by_age(spread, NEW)
    assert promised != np.isnan(lower_80)
    assert np.isnan(lower_95)
    assert 1.0 == median


# The mean


def windows(sold: Sequence[float], expected: Sequence[float] | float = 1.0) -> Forecasts:
    """One forecast a window."""
    return forecasts(sold, expected)


def mean_of(of: Forecasts) -> float:
    return SpreadByAge.measured(of).mean


def test_sums_of_skewed_sales_are_right_on_average_where_sums_of_medians_are_too_low():
    skewed = np.random.default_rng(7).lognormal(0.0, 0.8, 4000)
    window = np.repeat(np.arange(20), 200)
    mean = mean_of(forecasts(skewed, window=window))
    assert pytest.approx(np.exp(0.8**2 / 2), rel=0.05) == mean


def test_the_mean_counts_the_chance_of_nothing():
    rng = np.random.default_rng(8)
    y = np.where(rng.random(4000) < 0.7, 0.0, 10.0)
    mean = mean_of(forecasts(y, 10.0, chance=0.3, window=np.repeat(np.arange(20), 200)))
    assert pytest.approx(1.0, abs=0.05) == mean


@pytest.mark.parametrize("sold", [[], [3.0], [3.0, 0.0]])
def test_fewer_than_two_windows_with_sales_say_nothing_of_the_mean(sold):
    assert 1.0 == mean_of(windows(sold))


def test_windows_that_agree_are_believed_and_those_that_disagree_are_not():
    agree, disagree = mean_of(windows([1.2] * 8)), mean_of(windows([4.8, 0.3] * 4))
    assert pytest.approx(1.2) == agree
    assert 1.0 < disagree < 2.55  # together they sold 2.55 times what was expected
    noisier = mean_of(windows([9.0, 0.3] * 4))
    assert (noisier - 1) / (4.65 - 1) < (agree - 1) / 0.2


def test_more_windows_of_equal_scatter_are_believed_more():
    few, many = (mean_of(windows([1.5, 0.9] * n)) for n in (1, 20))
    assert 1.0 < few < many < 1.2


@pytest.mark.parametrize(("sold", "bound"), [(1000.0, 4.0), (0.001, 0.5)])
def test_the_mean_is_bounded(sold, bound):
    assert bound == mean_of(windows([sold] * 8))


def test_the_mean_counts_returns_as_they_are_on_both_sides():
    assert pytest.approx(1.5) == mean_of(
        forecasts([1.5, -0.3] * 8, [1.0, -0.2] * 8, window=np.repeat(np.arange(8), 2))
    )


def eight_windows(y: Array, chance: float = 1.0) -> Forecasts:
    """Series that are expected to sell 1 in each of eight steps of eight windows."""
    n_series = len(y)
    series, window, step = np.indices((n_series, 8, 8)).reshape(3, -1)
    return forecasts(y.ravel(), 1.0, series=series, step=step + 1, window=window, chance=chance)


def test_a_series_that_ended_says_nothing_of_what_the_others_sell():
    y = np.ones((4, 64))
    y[0, 27:] = 0.0

    assert pytest.approx(1.0, abs=0.01) == mean_of(eight_windows(y))


def test_one_that_pauses_and_comes_back_is_counted():
    y = np.ones((4, 64))
    y[0, np.arange(64) % 8 < 4] = 0.0

    assert pytest.approx(0.875) == mean_of(eight_windows(y))


def test_slow_movers_are_counted_however_long_they_sell_nothing_at_the_end():
    y = np.where(np.random.default_rng(9).random((200, 64)) < 0.2, 1.0, 0.0)

    assert pytest.approx(1.0, abs=0.05) == mean_of(eight_windows(y, 0.2))
