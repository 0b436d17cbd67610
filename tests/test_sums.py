"""Intervals of sums are measured on sums, and on enough of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from sales_forecast.data.panel import Array
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.asked import Forecasts
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.models.spread import Spread
from sales_forecast.prediction.sums import level_name, levels, quantiles, sum_name
from sales_forecast.training.sums import measured_sums
from tests.two_keys import KEYS, panel

PROTOCOLS = {"one_step": RollingOrigin(1, 20, 1), "many_steps": RollingOrigin(4, 5, 4)}
BY = {"": (), "k1": (0,), "k2": (1,)}


@pytest.fixture(scope="module")
def tables() -> Mapping[str, pd.DataFrame]:
    """Two protocols that share windows; of one department nothing is known in the last weeks."""
    sales = panel(120)
    sales.y[4, -6:] = np.nan
    return {
        name: with_quantiles(backtest(sales, BASELINES, split), sales)
        for name, split in PROTOCOLS.items()
    }


def slowly(tables: Mapping[str, pd.DataFrame], places: tuple[int, ...]) -> Spread:
    """Add up row by row, each protocol on its own, and measure that."""
    names, steps, cutoffs, sold, means = [], [], [], [], []
    for table in tables.values():
        sums: dict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in table.itertuples():
            store, department = dict(zip(panel().series, KEYS, strict=True))[row.unique_id]
            values = tuple((str(store), department)[place] for place in places)
            added = sums[values, row.cutoff, row.ds, row.step]
            added[0] += row.y
            added[1] += getattr(row, f"{GROWTH.name}_mean")
        for (values, cutoff, _, step), (y, mean) in sums.items():
            names.append(sum_name(values))
            steps.append(step)
            sold.append(y)
            means.append(mean)
            cutoffs.append(cutoff)
    unique = [*dict.fromkeys(names)]
    return Spread.measured(
        Forecasts(
            unique,
            np.array([unique.index(name) for name in names]),
            np.zeros(len(names), dtype=np.int8),
            np.array(steps),
            np.ones(len(names)),
            np.array(means),
            np.array([sorted({*cutoffs}).index(cutoff) for cutoff in cutoffs]),
            np.array(sold),
        )
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
    np.testing.assert_allclose(found[level].shape, expected.shape, rtol=1e-9)
    for name in ("rows", "steps", "usual", "by_step", "middle"):
        assert getattr(expected, name) == pytest.approx(getattr(found[level], name), rel=1e-9)


def at(
    of: Mapping[str, Spread],
    level: str,
    keys: Mapping[int, str],
    asked: tuple[float, float] = (0.1, 0.9),
) -> Array:
    """Quantiles of 1000 in the next week."""
    return quantiles(of.get(level, Spread.none()), keys, [1], np.array([1000.0]), asked)


def test_a_chain_strays_less_than_its_smallest_store(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    found = measured_sums(panel(120), tables, [GROWTH.name])[GROWTH.name]
    ((chain_low, chain_high),) = at(found, "", {})
    ((store_low, store_high),) = at(found, "k1", {0: "1"})
    assert store_low < chain_low < 1000 < chain_high < store_high


def test_days_on_which_next_to_nothing_is_expected_say_nothing_of_others(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    shut = {
        name: table.assign(
            ds=table["ds"] + pd.Timedelta(days=1),
            y=0.0,
            **{f"{GROWTH.name}_mean": table[f"{GROWTH.name}_mean"] / 1000},
        )
        for name, table in tables.items()
    }
    both = {name: pd.concat([table, shut[name]]) for name, table in tables.items()}
    (with_them, without) = (
        measured_sums(panel(120), of, [GROWTH.name])[GROWTH.name] for of in (both, tables)
    )
    assert [of.rows for of in with_them.values()] == [of.rows for of in without.values()]
    usual = tables["one_step"].groupby("ds")[f"{GROWTH.name}_mean"].sum().to_numpy()

    def ends(of: Mapping[str, Spread], sales: Array) -> Array:
        return quantiles(of[""], {}, [1] * len(sales), sales, (0.1, 0.9))

    np.testing.assert_allclose(ends(with_them, usual), ends(without, usual), rtol=5e-3)
    assert not ends(with_them, usual / 1000).any()  # what was sold on such a day is inside


def test_an_interval_of_a_sum_that_sells_at_times_holds_what_it_promises() -> None:
    sales = panel(120)
    rng = np.random.default_rng(1)
    of_one, often = 50.0, np.where([key[0] == 1 for key in KEYS], 0.2, 0.05)

    def drawn(n: int) -> Array:
        sold = rng.random((n, len(KEYS))) < often
        return np.where(sold, of_one * rng.lognormal(0, 0.3, sold.shape), 0.0)

    weeks = pd.date_range("2024-01-05", periods=400, freq="7D")
    table = pd.DataFrame({
        "unique_id": np.tile(sales.series, 400),
        "cutoff": np.repeat(weeks, len(KEYS)) - pd.Timedelta(days=7),
        "ds": np.repeat(weeks, len(KEYS)),
        "step": 1,
        "y": drawn(400).ravel(),
        "pooled": np.tile(often * of_one, 400),
        "pooled_mean": np.tile(often * of_one, 400),
    })  # fmt: skip
    found = measured_sums(sales, {"one_step": table}, ["pooled"])["pooled"]
    of_store = np.array([key[0] == 1 for key in KEYS])
    sums, mean = drawn(4000)[:, of_store].sum(axis=1), often[of_store].sum() * of_one
    asked = (0.025, 0.1, 0.9, 0.975)
    ((least, low, high, most),) = quantiles(found["k1"], {0: "1"}, [1], np.array([mean]), asked)
    assert least == low == 0  # it mostly sells nothing
    assert np.mean(sums > high) == pytest.approx(0.1, abs=0.05)
    assert np.mean(sums > most) == pytest.approx(0.025, abs=0.02)


def test_fewer_than_30_sums_promise_nothing() -> None:
    sales = panel(120)

    def measured(windows: int) -> Mapping[str, Spread]:
        table = with_quantiles(backtest(sales, BASELINES, RollingOrigin(1, windows, 1)), sales)
        return measured_sums(sales, {"one_step": table}, [GROWTH.name])[GROWTH.name]

    assert {"k1", "k2"} == set(measured(29))
    assert {"", "k1", "k2"} == set(measured(30))
    assert np.isnan(at(measured(29), "", {})).all()
    assert not np.isnan(at(measured(30), "", {})).any()
    assert np.isnan(at(measured(30), "", {}, (0.025, 0.975))).all()  # 80 are needed


def test_models_that_were_not_judged_have_no_intervals_of_sums(
    tables: Mapping[str, pd.DataFrame],
) -> None:
    assert {"pooled": {}} == measured_sums(panel(120), tables, ["pooled"])
    assert {"pooled": {}} == measured_sums(panel(120), {}, ["pooled"])


def test_levels_are_all_but_the_series_themselves() -> None:
    names = [level_name(places) for places in levels(3)]
    assert ["", "k1", "k2", "k3", "k1,k2", "k1,k3", "k2,k3"] == names
    assert [""] == [level_name(places) for places in levels(1)]
