"""Segments: every row is in one part of each, and a part is scored as a table of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.backtest import KEY_COLUMNS, backtest
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import scores, with_quantiles
from sales_forecast.evaluation.segments import SIZES, Segment, leaders, segment_scores, step_scores
from sales_forecast.models.naive import BASELINES
from tests.builders import panel_of, sample_panel, table_of

FIRST, CUTOFF, NEXT = "2011-11-04", "2011-12-30", "2012-01-06"


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Seven stores."""
    return sample_panel(7, n_weeks=110)


@pytest.fixture(scope="module")
def table(panel: Panel) -> pd.DataFrame:
    """Windows of four weeks that reach over the Super Bowl."""
    return with_quantiles(backtest(panel, BASELINES, RollingOrigin(horizon=4, windows=8, step=1)))


def stores(errors: Sequence[float], traits: dict[str, npt.ArrayLike]) -> tuple[Panel, pd.DataFrame]:
    """Stores "1", "2", ... that sell 100 a week, and one forecast of each, that far off."""
    panel = replace(
        panel_of(np.full((len(errors), 10), 100.0), FIRST),
        traits={name: np.array(values) for name, values in traits.items()},
        keys={"Store": np.arange(1, len(errors) + 1)},
    )
    rows = [
        table_of([100], {"m": [100 + error]}, first=NEXT, store=str(number))
        for number, error in enumerate(errors, start=1)
    ]
    return panel, with_quantiles(pd.concat(rows, ignore_index=True))


def found(panel: Panel, table: pd.DataFrame) -> dict[str, Segment]:
    return {segment.name: segment for segment in segment_scores(panel, table)}


def maes(segment: Segment) -> dict[str, float]:
    return {label: part.scores["m"].mae for label, part in segment.parts.items()}


def test_parts_are_shown_in_their_order(panel, table):
    segments = found(panel, table)
    assert ["weeks ahead", "week", "mean sales", "weeks known"] == [*segments]
    assert ["1", "2", "3", "4"] == [*segments["weeks ahead"].parts]
    assert ["holiday weeks", "other weeks"] == [*segments["week"].parts]
    assert [*SIZES] == [*segments["mean sales"].parts]
    assert ["52 to 103", "104 and more"] == [*segments["weeks known"].parts]


def test_a_part_has_the_scores_of_its_rows_alone(panel, table):
    segments = found(panel, table)
    for part, rows in (
        (segments["weeks ahead"].parts["3"], table["step"] == 3),
        (segments["week"].parts["other weeks"], table["holiday"] == 0),
    ):
        expected = {name: score.as_dict() for name, score in scores(table[rows]).items()}
        assert expected == {name: score.as_dict() for name, score in part.scores.items()}


def test_shares_are_those_of_sales_and_of_the_errors_of_the_best_model():
    panel, table = stores([10, 30, 60], {"kind": ["a", "b", "b"]})
    table = with_quantiles(table[[*KEY_COLUMNS, "m"]].assign(worse=1000.0))
    parts = found(panel, table)["kind"].parts
    assert {"a": (1 / 3, 0.1), "b": (2 / 3, 0.9)} == {
        label: (pytest.approx(part.of_sales), part.of_error) for label, part in parts.items()
    }


def test_a_segment_of_one_part_is_not_shown_and_one_step_can_be_had_all_the_same():
    panel, table = stores([10], {"kind": ["a"]})
    assert () == segment_scores(panel, table)
    assert ["1"] == [*step_scores(panel, table).parts]


@pytest.mark.parametrize(
    ("horizon", "days", "labels"),
    [
        (12, 7, [str(step) for step in range(1, 13)]),
        (13, 7, ["1-4", "5-8", "9-12", "13"]),
        (52, 7, ["1-13", "14-26", "27-39", "40-52"]),
        (12, 1, [str(step) for step in range(1, 13)]),
        (20, 1, ["1-7", "8-14", "15-20"]),
        (85, 1, ["1-28", "29-56", "57-84", "85"]),
    ],
)
def test_steps_are_in_their_order_and_taken_together_by_weeks_where_they_are_many(
    horizon, days, labels
):
    panel, _ = stores([0], {})
    if days == 1:
        panel = replace(panel, frequency=DAILY, periods=np.datetime64(FIRST) + np.arange(10))
    rows = [
        table_of([10.0], {"m": [10.0 + step]}, step=step, first=NEXT)
        for step in range(1, horizon + 1)
    ]
    steps = step_scores(panel, with_quantiles(pd.concat(rows, ignore_index=True)))
    assert ("weeks ahead" if days == 7 else "days ahead") == steps.name
    assert labels == [*steps.parts]
    bounds = ([int(bound) for bound in label.split("-")] for label in labels)
    means = [(bound[0] + bound[-1]) / 2 for bound in bounds]
    assert means == pytest.approx([*maes(steps).values()])


def test_thirds_are_those_of_mean_sales_however_the_stores_are_called():
    sizes = {"9": 1.0, "10": 20.0, "2": 300.0, "1": 2.0, "30": 40.0, "4": 500.0}
    rows = [
        table_of([size, size], {"m": [size + number, size + number]}, store=store)
        for number, (store, size) in enumerate(sizes.items(), start=1)
    ]
    panel = replace(panel_of(np.ones((6, 10)), FIRST), series=tuple(sizes))
    table = with_quantiles(pd.concat(rows, ignore_index=True))
    assert [2.5, 3.5, 4.5] == [*maes(found(panel, table)["mean sales"]).values()]


def test_a_text_is_a_segment_and_a_number_parts_series_in_thirds():
    panel, table = stores(
        [1, 2, 3, 4, 5, 6],
        {
            "kind": ["b", "a", "b", "a", "b", "a"],
            "region": [20, 20, 3, 3, 3, 3],
            "metres": [9.5, 8.0, 7.0, 6.0, 5.0, 4.0],
        },
    )
    segments = found(panel, table)
    assert {"a": 4.0, "b": 3.0} == maes(segments["kind"])
    assert {"3": 4.5, "20": 1.5} == maes(segments["region"])
    assert dict(zip(SIZES, (5.5, 3.5, 1.5), strict=True)) == maes(segments["metres"])


def test_series_of_one_size_are_in_one_third():
    panel, table = stores(
        [1, 2, 3, 4, 5, 6], {"kind": [*"aabbcc"], "size": [1.0, 1.0, 1.0, 1.0, 7.0, 8.0]}
    )
    assert {"smallest third": 2.5, "largest third": 5.5} == maes(found(panel, table)["size"])


def test_whole_numbers_of_many_values_are_labels_if_series_are_called_by_them_else_sizes():
    many = np.arange(1, 14)
    panel, table = stores([1] * 13, {"store": many, "feet": 1000 * many})
    segments = found(replace(panel, keys={"store": many}), table)
    assert segments["store"].worst
    assert [*SIZES] == [*segments["feet"].parts]


def test_of_many_labels_the_ten_with_most_error_are_shown_and_the_rest_together():
    errors = [3, 14, 1, 5, 9, 2, 6, 15, 8, 7, 13, 10]
    twelve = [f"d{error}" for error in errors]
    assert twelve != sorted(twelve)
    panel, table = stores(errors, {"department": twelve})
    assert sorted(twelve) == [*found(panel, table)["department"].parts]

    panel, table = stores([*errors, 4], {"department": [*twelve, "d4"]})
    segment = found(panel, table)["department"]
    most = [15, 14, 13, 10, 9, 8, 7, 6, 5, 4]
    assert segment.worst
    assert {**{f"d{error}": error for error in most}, "the other 3": 2.0} == maes(segment)
    assert 6 / 97 == pytest.approx(segment.parts["the other 3"].of_error)


def test_most_error_is_that_of_all_rows_together_and_not_of_the_worst_series():
    errors = [50, 30, 30, *([1] * 12)]
    labels = ["alone", "two", "two", *(f"d{number}" for number in range(12))]
    panel, table = stores(errors, {"department": labels})
    assert ["two", "alone"] == [*found(panel, table)["department"].parts][:2]


@pytest.mark.parametrize(
    ("known", "label"),
    [
        (12, "1 to 12"), (13, "13 to 51"), (51, "13 to 51"), (52, "52 to 103"),
        (103, "52 to 103"), (104, "104 and more"),
    ],
)  # fmt: skip
def test_age_counts_the_weeks_that_were_known_at_the_cutoff(known, label):
    y = np.full((2, 130), 100.0)
    y[0, : 120 - known - 3] = np.nan
    y[0, 118:120] = np.nan  # two and one weeks without sales do not count
    y[0, 115] = np.nan
    y[1, :115] = np.nan  # five weeks
    panel = panel_of(y, "2010-01-01")
    cutoff = str(panel.periods[119])
    rows = [
        table_of([100], {"m": [100 + error]}, first=str(panel.periods[120]), store=store)
        for store, error in (("1", 1), ("2", 2))
    ]
    table = with_quantiles(pd.concat(rows, ignore_index=True))
    assert [cutoff, cutoff] == table["cutoff"].dt.date.astype(str).tolist()
    if label == "1 to 12":
        assert "weeks known" not in found(panel, table)
    else:
        assert {"1 to 12": 2.0, label: 1.0} == maes(found(panel, table)["weeks known"])


def test_the_age_of_daily_series_is_in_weeks_closed_days_or_not():
    y = np.full((2, 100), 10.0)
    y[0, ::7] = np.nan  # 13 weeks of 14 are over, on all days but one
    y[1, : 99 - 14 - 6 * 7] = np.nan
    panel = Panel(
        y=y,
        periods=np.datetime64("2012-01-01") + np.arange(100),
        series=("1", "2"),
        frequency=DAILY,
    )
    table = backtest(panel, BASELINES[:1], RollingOrigin(horizon=1, windows=1, step=1))
    known = found(panel, with_quantiles(table))["weeks known"]
    assert ["1 to 12", "13 to 51"] == [*known.parts]


def test_holidays_of_daily_sales_are_days():
    panel, _ = stores([0], {})
    panel = replace(panel, frequency=DAILY, periods=np.datetime64(FIRST) + np.arange(10))
    table = with_quantiles(table_of([10, 10], {"m": [9, 8]}, holiday=[1, 0], first=NEXT))
    assert {"holiday days": 1.0, "other days": 2.0} == maes(found(panel, table)["day"])


def wape(value: float) -> Scores:
    return Scores(0, value, 0, 0, 0, 0, 0, 0, 0)


def test_leaders_are_the_best_three_and_the_growth_baseline_best_first():
    whole = {"a": 0.5, "seasonal_naive_growth": 0.4, "b": 0.1, "c": 0.3, "d": 0.2, "e": 0.6}
    found = leaders({model: wape(value) for model, value in whole.items()})
    assert ("b", "d", "c", "seasonal_naive_growth") == found


def test_leaders_hold_the_baseline_where_it_is_best_and_do_without_where_it_is_not_there():
    whole = {"a": 0.5, "seasonal_naive_growth": 0.1, "b": 0.2}
    scored = {model: wape(value) for model, value in whole.items()}
    assert ("seasonal_naive_growth", "b", "a") == leaders(scored)
    del scored["seasonal_naive_growth"]
    assert ("b", "a") == leaders(scored)
