"""Intervals of sums are measured on sums, and on enough of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.intervals import Intervals
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.prediction.sums import ends, level_name, levels, sum_name
from sales_forecast.training.sums import measured_sums
from tests.two_keys import KEYS, panel

PROTOCOLS = {"one_step": RollingOrigin(1, 20, 1), "many_steps": RollingOrigin(4, 5, 4)}
BY = {"": (), "k1": (0,), "k2": (1,)}


@pytest.fixture(scope="module")
def tables() -> Mapping[str, pd.DataFrame]:
    """Two protocols that share windows; of one department nothing is known in the last weeks."""
    sales = panel(120)
    sales.y[4, -6:] = np.nan
    return {name: backtest(sales, BASELINES, split) for name, split in PROTOCOLS.items()}


def slowly(tables: Mapping[str, pd.DataFrame], places: tuple[int, ...]) -> Intervals:
    """Add up row by row, each protocol on its own, and measure that."""
    names, steps, sold, forecast = [], [], [], []
    for table in tables.values():
        sums: dict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in table.itertuples():
            store, department = dict(zip(panel().series, KEYS, strict=True))[row.unique_id]
            values = tuple((str(store), department)[place] for place in places)
            added = sums[values, row.cutoff, row.ds, row.step]
            added[0] += row.y
            added[1] += getattr(row, GROWTH.name)
        for (values, _, _, step), (y, expected) in sums.items():
            names.append(sum_name(values))
            steps.append(step)
            sold.append(y)
            forecast.append(expected)
    return Intervals.measured(
        names, np.array(steps), np.array(sold), np.array(forecast), max(steps)
    )


@pytest.mark.parametrize("level", BY)
def test_an_interval_of_sums_is_that_of_sums_added_up_slowly(
    tables: Mapping[str, pd.DataFrame], level: str
) -> None:
    found = measured_sums(panel(120), tables, [GROWTH.name])[GROWTH.name]
    expected = slowly(tables, BY[level])
    assert set(BY) == set(found)
    assert expected.widths.keys() == found[level].widths.keys()
    for name, width in expected.widths.items():
        assert width == pytest.approx(found[level].widths[name], rel=1e-9)
    for percent in (80, 95):
        for end in ("lower", "upper"):
            slow = pd.Series(getattr(expected.factors[percent], end)).bfill().to_numpy()
            ours = getattr(found[level].factors[percent], end)
            np.testing.assert_allclose(ours, slow, rtol=1e-9)


def test_a_chain_strays_less_than_its_smallest_store(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    found = measured_sums(panel(120), tables, [GROWTH.name])[GROWTH.name]
    (chain_low,), (chain_high,) = ends(found, 80, {}, [1], [1000.0])
    (store_low,), (store_high,) = ends(found, 80, {0: "1"}, [1], [1000.0])
    assert store_low < chain_low < 1000 < chain_high < store_high


def test_fewer_than_30_sums_promise_nothing() -> None:
    sales = panel(120)

    def measured(windows: int) -> Mapping[str, Intervals]:
        table = backtest(sales, BASELINES, RollingOrigin(1, windows, 1))
        return measured_sums(sales, {"one_step": table}, [GROWTH.name])[GROWTH.name]

    assert {"k1", "k2"} == set(measured(29))
    assert {"", "k1", "k2"} == set(measured(30))
    lower, upper = ends(measured(29), 80, {}, [1, 2], [10.0, 20.0])
    assert np.isnan([*lower, *upper]).all()
    lower, upper = ends(measured(30), 95, {}, [1], [10.0])
    assert np.isnan([*lower, *upper]).all()  # 80 are needed


def test_models_that_were_not_judged_have_no_intervals_of_sums(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    assert {"pooled": {}} == measured_sums(panel(120), tables, ["pooled"])
    assert {"pooled": {}} == measured_sums(panel(120), {}, ["pooled"])


def test_levels_are_all_but_the_series_themselves() -> None:
    names = [level_name(places) for places in levels(3)]
    assert ["", "k1", "k2", "k3", "k1,k2", "k1,k3", "k2,k3"] == names
    assert [""] == [level_name(places) for places in levels(1)]
