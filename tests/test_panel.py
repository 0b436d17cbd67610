"""The panel: dense, ordered, immutable, and without a way to see the future by accident."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import date

import numpy as np
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from tests.builders import panel_of, sample_panel, weeks

ROWS = [  # store, week, sales, temperature
    (10, "2012-01-06", 100.0, 40.0),
    (9, "2012-01-13", 92.0, 42.0),
    (9, "2012-01-06", 91.0, 41.0),
    (10, "2012-01-20", 103.0, 43.0),
]


def from_rows(rows: list[tuple[int, str, float, float]]) -> Panel:
    store, week, sales, temperature = zip(*rows, strict=True)
    return Panel.from_rows(
        np.array(store),
        np.array(week, dtype="datetime64[D]"),
        np.array(sales),
        {"Temperature": np.array(temperature)},
    )


# Building


def test_rows_become_a_dense_table_with_nan_where_a_week_is_missing():
    panel = from_rows(ROWS)
    assert ("9", "10") == panel.series  # by number, not by text
    assert (2, 3) == (panel.n_series, panel.n_periods)
    expected = [[91, 92, np.nan], [100, np.nan, 103]]
    np.testing.assert_array_equal(panel.y, expected)
    expected = [[41, 42, np.nan], [40, np.nan, 43]]
    np.testing.assert_array_equal(panel.conditions["Temperature"], expected)


def test_weeks_run_from_the_first_to_the_last_without_a_hole():
    panel = from_rows([ROWS[0], ROWS[3]])
    assert ["2012-01-06", "2012-01-13", "2012-01-20"] == [str(week) for week in panel.periods]
    assert (date(2012, 1, 6), date(2012, 1, 20)) == (panel.first, panel.last)


def test_the_order_of_the_rows_does_not_matter():
    assert from_rows(ROWS).fingerprint == from_rows(ROWS[::-1]).fingerprint


def test_no_rows_make_no_panel():
    nothing = np.array([])
    with pytest.raises(ValueError, match="no rows"):
        Panel.from_rows(nothing.astype(int), nothing.astype("datetime64[D]"), nothing, {})


def test_weeks_that_end_on_different_weekdays_make_no_panel():
    with pytest.raises(ValueError, match="same weekday"):
        from_rows([ROWS[0], (10, "2012-01-14", 1.0, 1.0)])


def test_values_of_another_shape_are_refused_by_name():
    panel = panel_of([[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"y has shape \(1, 3\), expected \(1, 2\)"):
        replace(panel, y=np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"CPI has shape \(2, 2\), expected \(1, 2\)"):
        replace(panel, conditions={"CPI": np.ones((2, 2))})


def test_weeks_must_be_one_week_apart():
    with pytest.raises(ValueError, match="one week apart"):
        Panel(np.ones((1, 2)), np.array(["2012-01-06", "2012-01-20"], "datetime64[D]"), ("1",))


def test_a_panel_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        panel_of([[1.0]]).series = ("2",)


# The past


@pytest.mark.parametrize(
    "cutoff", [date(2012, 1, 13), np.datetime64("2012-01-13"), np.datetime64("2012-01-19")]
)
def test_until_keeps_the_weeks_that_had_ended_by_the_cutoff(cutoff):
    past = from_rows(ROWS).until(cutoff)
    assert date(2012, 1, 13) == past.last
    np.testing.assert_array_equal(past.y, [[91, 92], [100, np.nan]])
    np.testing.assert_array_equal(past.conditions["Temperature"], [[41, 42], [40, np.nan]])
    assert ("9", "10") == past.series


def test_until_a_day_before_the_first_week_holds_no_week():
    assert (2, 0) == from_rows(ROWS).until(date(2012, 1, 5)).y.shape


def test_until_the_last_week_is_everything():
    panel = from_rows(ROWS)
    assert panel.fingerprint == panel.until(panel.last).fingerprint


def test_after_names_the_weeks_that_follow():
    expected = ["2012-01-27", "2012-02-03", "2012-02-10"]
    assert expected == [str(week) for week in from_rows(ROWS).after(3)]


# Some of the series


def test_select_keeps_the_order_that_was_asked_for():
    chosen = sample_panel(3).select(["3", "1"])
    assert ("3", "1") == chosen.series
    assert {"3": 0, "1": 1} == chosen.positions
    np.testing.assert_array_equal(chosen.y, sample_panel(3).y[[2, 0]])
    np.testing.assert_array_equal(
        chosen.conditions["CPI"], sample_panel(3).conditions["CPI"][[2, 0]]
    )


def test_select_of_an_unknown_series_is_an_error_with_its_name():
    with pytest.raises(KeyError, match="99"):
        sample_panel(3).select(["1", "99"])


# Fingerprint


def test_the_fingerprint_is_a_sha256_and_the_same_in_every_process():
    known = "b51e782e5a8a5cbc"
    fingerprint = panel_of([[1.0, np.nan]]).fingerprint
    assert (64, known) == (len(fingerprint), fingerprint[:16])


@pytest.mark.parametrize(
    "other",
    [
        panel_of([[1.0, 2.5]]),
        panel_of([[1.0, np.nan]]),
        panel_of([[1.0, 2.0]], conditions=1.0),
        panel_of([[1.0, 2.0]], first="2010-02-12"),
        panel_of([[1.0, 2.0], [3.0, 4.0]]),
        replace(panel_of([[1.0, 2.0]]), series=("2",)),
        replace(panel_of([[1.0, 2.0]]), conditions={"Rain": np.zeros((1, 2))}),
        panel_of([[1.0, 2.0, 3.0]]),
    ],
)
def test_any_difference_changes_the_fingerprint(other):
    assert panel_of([[1.0, 2.0]]).fingerprint != other.fingerprint


def test_values_that_are_equal_in_other_bits_have_one_fingerprint():
    other_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    assert np.isnan(other_nan)
    one, other = panel_of([[0.0, np.nan]]), panel_of([[-0.0, other_nan]])
    assert one.fingerprint == other.fingerprint


def test_memory_layout_does_not_change_the_fingerprint():
    panel = sample_panel(3)
    turned = replace(panel, y=np.asfortranarray(panel.y), periods=weeks("2010-02-05", 143))
    assert panel.fingerprint == turned.fingerprint


# Any retail panel


def department_weeks() -> Panel:
    """Stores 1, 2 and 10 with departments 3 and 12, two weeks."""
    store, department, week = np.meshgrid([10, 1, 2], [12, 3], [0, 1], indexing="ij")
    panel = Panel.from_rows(
        (store.ravel(), department.ravel()),
        np.datetime64("2012-01-06") + 7 * week.ravel(),
        (100 * store + department + week / 10).ravel(),
        {},
    )
    names = [name.split("-") for name in panel.series]
    return replace(
        panel,
        plan={"promo": np.arange(6 * 4.0).reshape(6, 4)},
        traits={"dept": np.array([of for _, of in names]), "size": np.arange(6.0)},
        pooled_by="dept",
    )


def test_several_keys_name_a_series_and_are_ordered_each_by_number():
    panel = department_weeks()
    assert ("1-3", "1-12", "2-3", "2-12", "10-3", "10-12") == panel.series
    np.testing.assert_array_equal(panel.y[3], [212.0, 212.1])


def test_days_make_a_daily_panel():
    days = np.array(["2012-01-06", "2012-01-09"], "datetime64[D]")
    panel = Panel.from_rows(np.array([1, 1]), days, np.array([1.0, 2.0]), {}, DAILY)
    np.testing.assert_array_equal(panel.y, [[1.0, np.nan, np.nan, 2.0]])
    assert ["2012-01-10", "2012-01-11"] == [str(day) for day in panel.after(2)]
    assert (7, 28, 364) == (DAILY.a_week, DAILY.periods(4), DAILY.season)


def test_until_cuts_what_was_observed_and_keeps_what_is_planned():
    past = department_weeks().until(date(2012, 1, 6))
    assert ((6, 1), (6, 4)) == (past.y.shape, past.plan["promo"].shape)


def test_select_takes_plans_and_traits_along():
    chosen = department_weeks().select(["10-3", "1-12"])
    assert ["3", "12"] == chosen.traits["dept"].tolist()
    np.testing.assert_array_equal(chosen.plan["promo"][:, 0], [16.0, 4.0])


def test_pools_are_the_series_of_one_label_each_a_panel_of_its_own():
    found = {label: (rows.tolist(), pool) for label, rows, pool in department_weeks().pools()}
    assert {"3": [0, 2, 4], "12": [1, 3, 5]} == {label: rows for label, (rows, _) in found.items()}
    _, pool = found["12"]
    assert ("1-12", "2-12", "10-12") == pool.series
    assert [("", pool)] == [(label, alone) for label, _, alone in pool.pools()]


@pytest.mark.parametrize(
    "other",
    [
        {"plan": {"promo": np.zeros((6, 4))}},
        {"traits": {"dept": np.array(["1"] * 6), "size": np.arange(6.0)}},
        {"pooled_by": None},
    ],
    ids=["plan", "traits", "pools"],
)
def test_what_is_planned_and_what_a_series_is_are_part_of_the_fingerprint(other):
    assert department_weeks() != replace(department_weeks(), **other)
    assert department_weeks() == department_weeks()
