"""What a day is told of its date and of the plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.features.daily_design import Design, date_columns
from sales_forecast.features.planned_numbers import planned_range
from tests.builders import daily_panel, days


def planned(**plan: np.ndarray) -> Panel:
    """Stores of which a plan is known, from Monday 2014-09-01 on."""
    shape = next(iter(plan.values())).shape
    names = tuple(str(row) for row in range(shape[0]))
    return Panel(np.ones(shape), days("2014-09-01", shape[1]), names, plan=plan, frequency=DAILY)


def when(panel: Panel, column: str, store: int = 0) -> list[str]:
    """The days on which a column of a store is not 0."""
    design = Design.of(panel)
    X = design.matrix(panel, panel.periods)(slice(None))
    values = X[store, design.names.index(column)]
    return panel.periods[values != 0].astype(str).tolist()


def open_but(n_days: int, *closed: int, stores: int = 1) -> np.ndarray:
    """Open on all days but Sundays and some others."""
    opened = np.ones((stores, n_days))
    opened[:, 6::7] = 0
    opened[:, [*closed]] = 0
    return opened


def test_days_around_feasts_are_told_apart_in_every_year():
    some = days("2012-01-01", 3 * 366)
    columns = date_columns(some)

    def on(name: str) -> list[str]:
        return some[np.asarray(columns[name]) == 1].astype(str).tolist()

    assert ["2012-12-24", "2013-12-24", "2014-12-24"] == on("christmas_eve-1")
    assert ["2012-04-08", "2013-03-31", "2014-04-20"] == on("easter_day+0")
    assert ["2012-12-31", "2013-12-31", "2014-12-31"] == on("christmas_eve+6")
    assert 36 == len(on("month_last1"))


def test_a_bump_of_the_weeks_before_christmas_rises_and_falls():
    some = days("2013-11-26", 15)
    bump = date_columns(some)["christmas_-22"]
    expected = [0, *(k / 7 for k in range(1, 8)), *(k / 7 for k in range(6, 0, -1)), 0]
    np.testing.assert_allclose(expected, bump)


def test_a_closed_day_is_told_to_its_neighbours_and_sundays_are_no_news():
    panel = planned(open=open_but(56, 16))  # Wednesday 2014-09-17
    assert ["2014-09-16"] == when(panel, "closed_tomorrow")
    assert ["2014-09-18"] == when(panel, "closed_yesterday")
    assert ["2014-09-15"] == when(panel, "closed_in_two")
    assert [] == when(panel, "open_tomorrow")


def test_an_open_sunday_is_news():
    opened = open_but(56)
    opened[0, 20] = 1
    panel = planned(open=opened)
    assert ["2014-09-20"] == when(panel, "open_tomorrow")
    assert ["2014-09-22"] == when(panel, "open_yesterday")


@pytest.mark.parametrize("n_days", [1, 3, 8])
def test_less_than_a_week_has_its_days_and_no_news(n_days):
    panel = planned(open=open_but(n_days))
    X = Design.of(panel).matrix(panel, panel.periods)(slice(None))
    assert n_days == X.shape[2]
    for column in ("closed_tomorrow", "open_tomorrow", "closed_yesterday", "closed_two_ahead"):
        assert [] == when(panel, column)


def test_a_long_closure_is_told_to_the_days_before_and_after_it():
    panel = planned(open=open_but(84, *range(35, 49)))
    assert ["2014-10-20", "2014-10-21", "2014-10-22"] == when(panel, "reopened_3")
    assert ["2014-10-02", "2014-10-03", "2014-10-04"] == when(panel, "closing_3")[-3:]
    assert [] == when(planned(open=open_but(84, *range(35, 40))), "reopened_42")


def test_a_plan_of_zero_and_one_counts_by_weekday():
    promotion = np.zeros((1, 28))
    promotion[0, 7:10] = 1
    panel = planned(promotion=promotion)
    assert ["2014-09-08", "2014-09-09", "2014-09-10"] == when(panel, "0 promotion")
    assert ["2014-09-09"] == when(panel, "0 promotion 1")


def test_a_store_of_which_nothing_is_said_does_what_most_do():
    promotion = np.tile(np.arange(28) % 2, (4, 1)).astype(float)
    promotion[0] = np.nan
    promotion[1] = 0
    panel = planned(promotion=promotion)
    assert when(panel, "0 promotion", 2) == when(panel, "0 promotion", 0)


def test_beyond_a_plan_a_weekday_is_as_it_was():
    panel = planned(open=open_but(56))
    later = panel.after(14)
    plan = Design.of(panel).plan(panel, later)
    assert [1, 1, 1, 1, 1, 1, 0] * 2 == plan["open"][0].tolist()


def number(panel: Panel, store: int = 0) -> np.ndarray:
    """The column of the one plan of a panel."""
    design = Design.of(panel)
    X = design.matrix(panel, panel.periods)(slice(None))
    return X[store, design.names.index("0 number")]


def test_beyond_a_plan_a_shop_is_open_as_it_was_of_late():
    opened = open_but(140, stores=5)
    opened[1] = 1  # on Sundays, too
    opened[2, 84:] = 1  # since eight weeks
    opened[3, 112:] = 0  # a closure that ends
    opened[4, 40:] = np.nan
    panel = planned(open=opened)

    weeks = Design.of(panel).plan(panel, panel.after(14))["open"]

    assert [6, 7, 7, 6, 6] == weeks[:, :7].sum(axis=1).tolist()
    np.testing.assert_array_equal(weeks[:, :7], weeks[:, 7:])
    assert 0 == weeks[0, 6]


def test_a_price_is_told_by_its_ratio_to_what_is_usual_of_its_own_article():
    dear = np.where(np.arange(100) % 9 == 0, 16.0, 20.0)
    panel = planned(number=np.vstack([dear, dear / 10]))
    np.testing.assert_allclose(number(panel, 0), number(panel, 1), atol=1e-6)
    assert {0.0} == set(number(panel)[dear == 20])
    assert (number(panel)[dear == 16] < -2).all()


def test_a_price_of_nothing_among_many_is_no_price():
    price = np.where(np.arange(214) % 9 == 0, 16.0, 20.0)
    mistaken = price.copy()
    mistaken[[50, 205]] = 0.0
    panel = planned(number=np.vstack([mistaken, price / 10]))
    past = panel.until(panel.periods[199])
    column, sound = number(past, 0), number(past, 1)
    assert 0 == column[50]
    np.testing.assert_allclose(np.delete(column, 50), np.delete(sound, 50), rtol=0.01)
    assert 20.0 == Design.of(past).plan(past, past.after(14))["number"][0, 5]


def test_numbers_that_may_be_none_are_told_by_their_distance():
    minutes = np.tile([-5.0, 0.0, 0.0, 10.0], 25)
    column = number(planned(number=minutes[None]))
    np.testing.assert_allclose(column / minutes.std(), minutes / minutes.var(), rtol=1e-5)


def test_no_number_counts_for_more_than_was_seen_but_in_one_of_a_thousand():
    price = np.where(np.arange(3000) % 9 == 0, 8.0, 10.0)
    price[500] = 1e9
    column = number(planned(number=price[None]))
    assert 3 == column[500] == column.max()


def test_a_number_that_is_not_known_is_what_it_was_of_late():
    cheap, dear = np.tile([2.0, 2.0, 1.5, 2.0], 30), np.full(120, 20.0)
    cheap[-1], cheap[50] = 1.5, np.nan  # the plan ends in a promotion
    cheap[:3] = np.nan
    panel = planned(price=np.vstack([cheap, dear]))
    later = Design.of(panel).plan(panel, panel.after(90))["price"]
    assert {2.0} == set(later[0])
    assert {20.0} == set(later[1])
    before = Design.of(panel).plan(panel, panel.periods)["price"][0]
    assert [2.0, 2.0, 2.0, 2.0] == before[[0, 1, 2, 50]].tolist()


def test_a_number_that_has_seasons_is_what_it_was_a_year_before():
    day = np.arange(760 + 365)
    warmth = np.vstack([8 - 12 * np.cos(2 * np.pi * day / 364), np.full(len(day), 20.0)])
    warmth[:, 20:30] = np.nan  # a gap of the first weeks, before which no year is known
    panel = planned(warmth=warmth[:, :760])
    later = Design.of(panel).plan(panel, panel.after(365))["warmth"]
    np.testing.assert_allclose(later, warmth[:, 760:], atol=1)
    before = Design.of(panel).plan(panel, panel.periods)["warmth"]
    np.testing.assert_allclose(before[:, 20:30], warmth[:, [9]] @ np.ones((1, 10)), atol=1)


def test_the_range_of_a_number_is_that_of_its_own_series_and_of_a_flag_that_of_all():
    prices = np.array([[2.0, 1.5, np.nan], [20.0, 16.0, 18.0], [np.nan] * 3])
    assert [(1.5, 2.0), (16.0, 20.0), (1.5, 20.0)] == [planned_range(prices, n) for n in range(3)]
    assert (0.0, 1.0) == planned_range(np.array([[0.0, 0.0], [0.0, 1.0]]), 0)


def test_what_is_usual_is_said_by_the_past_alone():
    panel = daily_panel(ahead=100)
    plan = {name: values.copy() for name, values in panel.plan.items()}
    for values in plan.values():
        values[:, panel.n_periods :] = 1 - values[:, panel.n_periods :]
    ours, theirs = Design.of(panel), Design.of(replace(panel, plan=plan))
    for name in panel.plan:
        np.testing.assert_array_equal(ours.columns[name].habit, theirs.columns[name].habit)
