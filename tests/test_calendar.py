"""The calendar: dates of events, weeks and the days of events in them, counted by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from sales_forecast.data import calendar
from tests.builders import weeks

# The days of each event window, as anyone would say them; anchors are tested on their own.
SPOKEN = {
    "days_12_18_before_christmas": (calendar.christmas, range(-18, -11)),
    "days_5_11_before_christmas": (calendar.christmas, range(-11, -4)),
    "days_1_4_before_christmas": (calendar.christmas, range(-4, 0)),
    "days_after_christmas": (calendar.christmas, range(7)),
    "days_before_thanksgiving": (calendar.thanksgiving, range(-4, 1)),
    "days_from_black_friday": (calendar.thanksgiving, range(1, 4)),
    "days_before_easter": (calendar.easter, range(-7, 1)),
    "days_after_easter": (calendar.easter, range(1, 5)),
    "days_before_super_bowl": (calendar.super_bowl, range(-4, 1)),
    "days_after_super_bowl": (calendar.super_bowl, range(1, 5)),
    "days_before_memorial_day": (calendar.memorial_day, range(-4, 1)),
    "days_after_memorial_day": (calendar.memorial_day, range(1, 5)),
    "days_before_labor_day": (calendar.labor_day, range(-4, 1)),
    "days_after_labor_day": (calendar.labor_day, range(1, 5)),
}
FLAGGED_WEEKS = [
    "2010-02-12", "2010-09-10", "2010-11-26", "2010-12-31",
    "2011-02-11", "2011-09-09", "2011-11-25", "2011-12-30",
    "2012-02-10", "2012-09-07", "2012-11-23", "2012-12-28",
    "2013-02-08",
]  # fmt: skip


def days_in(week: str) -> dict[str, float]:
    """Event days of the week that ends on a day, those above zero."""
    counts = calendar.event_days(np.array([week], dtype="datetime64[D]"))[0]
    return {
        name: count
        for name, count in zip(calendar.EVENT_NAMES, counts.tolist(), strict=True)
        if count
    }


# Dates


@pytest.mark.parametrize(
    "sunday",
    [
        date(1818, 3, 22),  # as early as it gets
        date(1943, 4, 25),  # as late as it gets
        date(1954, 4, 18),  # the two exceptions of the old rule
        date(1981, 4, 19),
        date(2000, 4, 23),
        date(2008, 3, 23),
        date(2010, 4, 4),
        date(2011, 4, 24),
        date(2012, 4, 8),
        date(2013, 3, 31),
        date(2024, 3, 31),
        date(2025, 4, 20),
        date(2026, 4, 5),
        date(2038, 4, 25),
    ],
)
def test_easter_is_on_the_sunday_that_the_church_says(sunday):
    assert sunday == calendar.easter(sunday.year)


def test_easter_is_always_a_sunday_between_22_march_and_25_april():
    for year in range(1583, 10_000):
        day = calendar.easter(year)
        assert calendar.SUNDAY == day.weekday()
        assert date(year, 3, 22) <= day <= date(year, 4, 25)


@pytest.mark.parametrize(
    "sunday",
    [
        date(2010, 2, 7),
        date(2011, 2, 6),
        date(2012, 2, 5),
        date(2013, 2, 3),
        date(2021, 2, 7),
        date(2022, 2, 13),  # since then the season is a week longer
        date(2023, 2, 12),
        date(2024, 2, 11),
        date(2025, 2, 9),
        date(2026, 2, 8),
    ],
)
def test_the_super_bowl_is_on_the_first_and_since_2022_the_second_sunday_of_february(sunday):
    assert sunday == calendar.super_bowl(sunday.year)


@pytest.mark.parametrize(
    "monday", [date(2010, 9, 6), date(2011, 9, 5), date(2012, 9, 3), date(2025, 9, 1)]
)
def test_labor_day_is_the_first_monday_of_september(monday):
    assert monday == calendar.labor_day(monday.year)


@pytest.mark.parametrize(
    "thursday",
    [date(2010, 11, 25), date(2011, 11, 24), date(2012, 11, 22), date(2019, 11, 28)],
)
def test_thanksgiving_is_the_fourth_thursday_of_november(thursday):
    assert thursday == calendar.thanksgiving(thursday.year)


def test_christmas_is_on_25_december():
    assert date(2010, 12, 25) == calendar.christmas(2010)


def test_the_first_weekday_of_a_month_may_be_its_first_day():
    assert date(2012, 2, 1) == calendar.nth_weekday(2012, 2, 2, 1)
    assert date(2012, 2, 29) == calendar.nth_weekday(2012, 2, 2, 5)


# Weeks


@pytest.mark.parametrize(
    ("day", "friday"),
    [
        (date(2012, 11, 3), date(2012, 11, 9)),  # Saturday begins a week
        (date(2012, 11, 8), date(2012, 11, 9)),
        (date(2012, 11, 9), date(2012, 11, 9)),  # Friday ends it
        (date(2012, 11, 10), date(2012, 11, 16)),
        (date(2011, 12, 31), date(2012, 1, 6)),  # over the end of a year
        (date(2012, 2, 28), date(2012, 3, 2)),  # over a leap day
        (date(9999, 12, 31), date(9999, 12, 31)),
    ],
)
def test_any_day_stands_for_the_week_that_ends_on_its_friday(day, friday):
    assert friday == calendar.week_ending(day)


def test_weeks_can_end_on_another_weekday():
    saturday, sunday = date(2012, 11, 3), date(2012, 11, 4)
    assert sunday == calendar.week_ending(saturday, calendar.SUNDAY)
    assert sunday == calendar.week_ending(sunday, calendar.SUNDAY)


def test_a_week_that_would_end_after_the_last_date_there_is_overflows():
    with pytest.raises(OverflowError):
        calendar.week_ending(date(9999, 12, 31), calendar.SUNDAY)


# Event days


@pytest.mark.parametrize(
    ("week", "expected"),
    [
        # Christmas 2010 is a Saturday: the whole run-up lies before the flagged week.
        ("2010-12-03", {"days_from_black_friday": 2}),
        ("2010-12-10", {"days_12_18_before_christmas": 4}),
        ("2010-12-17", {"days_12_18_before_christmas": 3, "days_5_11_before_christmas": 4}),
        ("2010-12-24", {"days_5_11_before_christmas": 3, "days_1_4_before_christmas": 4}),
        ("2010-12-31", {"days_after_christmas": 7}),
        ("2011-01-07", {}),
        # Christmas 2011 is a Sunday: one shopping day slips into the flagged week.
        ("2011-12-09", {"days_12_18_before_christmas": 3}),
        ("2011-12-16", {"days_12_18_before_christmas": 4, "days_5_11_before_christmas": 3}),
        ("2011-12-23", {"days_5_11_before_christmas": 4, "days_1_4_before_christmas": 3}),
        ("2011-12-30", {"days_1_4_before_christmas": 1, "days_after_christmas": 6}),
        ("2012-01-06", {"days_after_christmas": 1}),
        # The others.
        ("2010-11-19", {}),
        ("2010-11-26", {"days_before_thanksgiving": 5, "days_from_black_friday": 1}),
        ("2010-03-26", {}),
        ("2010-04-02", {"days_before_easter": 6}),
        ("2010-04-09", {"days_before_easter": 2, "days_after_easter": 4}),
        ("2011-04-22", {"days_before_easter": 6}),
        ("2012-04-06", {"days_before_easter": 6}),
        ("2010-02-05", {"days_before_super_bowl": 3}),
        ("2010-02-12", {"days_before_super_bowl": 2, "days_after_super_bowl": 4}),
        ("2010-05-28", {"days_before_memorial_day": 2}),
        ("2010-06-04", {"days_before_memorial_day": 3, "days_after_memorial_day": 4}),
        ("2010-09-03", {"days_before_labor_day": 2}),
        ("2010-09-10", {"days_before_labor_day": 3, "days_after_labor_day": 4}),
        ("2012-07-06", {}),
        # A week that ends on a Sunday.
        (
            "2010-12-26",
            {
                "days_5_11_before_christmas": 1,
                "days_1_4_before_christmas": 4,
                "days_after_christmas": 2,
            },
        ),
    ],
)
def test_a_week_holds_so_many_days_of_each_event(week, expected):
    assert expected == days_in(week)


@pytest.mark.parametrize("first", ["2009-01-02", "2009-01-04", "2009-01-07"])
def test_event_days_equal_those_found_by_walking_through_every_day(first):
    ends = weeks(first, 52 * 18)
    event_days = [
        {
            anchor(year) + timedelta(days=shift)
            for year in range(2007, 2029)
            for shift in SPOKEN[name][1]
        }
        for name in calendar.EVENT_NAMES
        for anchor in [SPOKEN[name][0]]
    ]
    expected = [
        [sum(end - timedelta(days=back) in days for back in range(7)) for days in event_days]
        for end in ends.tolist()
    ]
    assert np.array_equal(expected, calendar.event_days(ends))


def test_a_week_counts_the_same_whichever_weeks_are_asked_with_it():
    ends = weeks("2010-02-05", 143)
    alone = [calendar.event_days(ends[position : position + 1])[0] for position in range(143)]
    assert np.array_equal(alone, calendar.event_days(ends))


def test_weeks_thousands_of_years_apart_are_counted_at_once():
    far = np.array(["0001-01-05", "2010-12-31", "9999-12-31"], dtype="datetime64[D]")
    after = calendar.EVENT_NAMES.index("days_after_christmas")
    assert [0, 7, 7] == calendar.event_days(far)[:, after].tolist()


def test_no_weeks_have_no_event_days():
    none = np.array([], dtype="datetime64[D]")
    assert (0, 14) == calendar.event_days(none).shape
    assert (0, 6) == calendar.event_days(none, calendar.LARGE_EVENTS).shape
    assert (0,) == calendar.holiday_flags(none).shape


# Flags


def test_the_flagged_weeks_are_those_that_hold_a_holiday():
    ends = weeks("2010-02-05", 158)  # to 2013-02-08
    assert FLAGGED_WEEKS == [str(week) for week in ends[calendar.holiday_flags(ends) == 1.0]]


def test_the_week_of_christmas_day_is_flagged_and_the_peak_before_it_is_not():
    ends = np.array(["2010-12-24", "2010-12-31", "2011-01-07"], dtype="datetime64[D]")
    assert [0.0, 1.0, 0.0] == calendar.holiday_flags(ends).tolist()


def test_the_flag_follows_the_weekday_on_which_weeks_end():
    sundays = np.array(["2010-12-19", "2010-12-26", "2011-01-02"], dtype="datetime64[D]")
    assert [0.0, 1.0, 0.0] == calendar.holiday_flags(sundays).tolist()


# Waves


def test_season_harmonics_are_waves_of_the_middle_of_the_week_in_its_year():
    ends = weeks("2010-02-05", 60)
    since_1970 = [(end - date(1970, 1, 1)).days - 3 for end in ends.tolist()]
    expected = [
        [wave(2 * math.pi * order * day / 365.2425) for wave in (math.sin, math.cos)
         for order in (1, 2, 3)]
        for day in since_1970
    ]  # fmt: skip
    np.testing.assert_allclose(calendar.season_harmonics(ends, 3), expected, rtol=0, atol=1e-9)


def test_the_season_returns_after_400_years_to_the_day():
    now = weeks("1610-02-05", 52)
    later = now + np.timedelta64(146_097, "D")
    np.testing.assert_allclose(
        calendar.season_harmonics(now, 5), calendar.season_harmonics(later, 5), rtol=0, atol=1e-9
    )


def test_month_harmonics_are_the_mean_over_the_days_of_the_week():
    ends = weeks("2010-02-05", 60)
    month = 365.2425 / 12
    expected = [
        [
            sum(
                wave(2 * math.pi * order * ((end - timedelta(days=back)).day - 1) / month)
                for back in range(7)
            )
            / 7
            for wave in (math.sin, math.cos)
            for order in (1, 2)
        ]
        for end in ends.tolist()
    ]
    np.testing.assert_allclose(calendar.month_harmonics(ends, 2), expected, rtol=0, atol=1e-9)
