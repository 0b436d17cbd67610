"""What came of overrides, in money, against what was forecast and what was planned before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date

import numpy as np
import pytest

from sales_forecast.planning.value_added import IN_GENERAL, Record, ValueAdded, advice, size_of
from sales_forecast.planning.wishes import Cell
from tests.planning.world import World
from tests.two_keys import KEYS, SPEC


@pytest.fixture
def world(url: str) -> Iterator[World]:
    with closing(World(url)) as world:
        world.issue(np.full((9, 6), 100.0))
        yield world


def test_a_plan_no_further_out_than_the_forecast_is_inside() -> None:
    sells_at_times = Cell(date(2026, 3, 6), 3.0, 3.0, 2.5, lower=0.0, upper=0.0)
    assert sells_at_times.inside_80
    assert sells_at_times._replace(after=3.0).inside_80
    assert not sells_at_times._replace(after=30.0).inside_80


def test_an_override_is_judged_by_what_was_sold_in_its_weeks_that_have_come(world: World) -> None:
    judge = ValueAdded(world.overrides.tables)
    made = world.change({}, "percent", 5, (1, 3), by="ada")
    assert [] == [*judge.outcomes(SPEC)]
    assert [IN_GENERAL] == advice(SPEC, made, judge.of_kind(SPEC, made))
    first = world.change({"k1": "10"}, "value", 2000, (1, 1), by="bob", reason="event")
    gone = world.change({"k1": "1"}, "value", 1, (1, 1), by="bob", reason="event").override
    world.overrides.undo(SPEC, gone.id, world.version(), "bob")
    world.load(22)
    sold = world.sales.y[:, 20:22]
    chain, store = judge.outcomes(SPEC)
    assert (1, 2) == (store.periods, chain.periods)
    assert ("ada", "bob") == (chain.override.made_by, store.override.made_by)
    assert (first.override.id, 315.0, 2000.0) == (store.override.id, store.before, store.after)
    actual = float(sold[6:, 0].sum())
    assert store.sold == pytest.approx(actual)
    assert store.naive_error == pytest.approx(abs(actual - 150))
    assert store.model_error == pytest.approx(abs(actual - 300))
    assert store.before_error == pytest.approx(abs(actual - 315))
    assert store.after_error == pytest.approx(abs(actual - 2000))
    assert store.value_added == pytest.approx(abs(actual - 315) - abs(actual - 2000))
    errors = [np.abs(sold.sum(axis=0) - plan).sum() for plan in (450, 900, 900, 945)]
    found = [chain.naive_error, chain.model_error, chain.before_error, chain.after_error]
    assert found == pytest.approx(errors)

    by = judge.by(SPEC, "reason")
    assert ["all", "event", "promotion"] == [*by]
    assert (2, 2) == (by["all"].n, by["all"].helped)
    assert by["event"].value_added == round(store.value_added, 2)
    assert ["all", "chain", "store_id"] == [*judge.by(SPEC, "level")]
    assert ["all", "up, over 25%", "up, under 10%"] == [*judge.by(SPEC, "size")]
    assert ["all", "ada", "bob"] == [*judge.by(SPEC, "person")]
    assert ["all", "bob"] == [*judge.by(SPEC, "person", "bob")]
    world.issue(np.full((9, 6), 100.0), version="v2")
    made = world.change({}, "units", 20, (1, 1))
    record = judge.of_kind(SPEC, made)
    assert {"reason": 1, "size": 1} == {name: of.n for name, of in record.items()}
    said = advice(SPEC, made, record)
    assert (
        f"Of 1 earlier changes for the reason promotion 1 helped: together they made the plan "
        f"{chain.value_added:,.2f} better." == said[0]
    )


def test_a_newer_forecast_before_the_week_counts_and_corrected_sales_judge_again(
    world: World,
) -> None:
    judge = ValueAdded(world.overrides.tables)
    world.change({}, "percent", 10, (1, 3))
    world.load(21)
    (one,) = judge.outcomes(SPEC)
    assert 900.0 == one.before
    world.issue(np.full((9, 6), 200.0), version="v2")
    world.load(22)
    (two,) = judge.outcomes(SPEC)
    assert (2, 900.0 + 1800.0, 990.0 + 1980.0) == (two.periods, two.before, two.after)
    world.sales.y[0, 20] += 1000
    world.load(22)
    (again,) = judge.outcomes(SPEC)
    assert again.sold == pytest.approx(two.sold + 1000)


def test_an_article_that_sold_nothing_is_judged_where_a_missing_row_says_so(world: World) -> None:
    store, name = KEYS[4]
    world.change({"k1": str(store), "k2": name}, "percent", -20)
    world.sales.y[4, 20] = np.nan
    world.load(21)
    judge = ValueAdded(world.overrides.tables)
    assert [] == [*judge.outcomes(SPEC)]
    zero = SPEC.model_copy(update={"missing": "zero"})
    (one,) = ValueAdded(world.overrides.tables).outcomes(zero)
    assert (0.0, 100.0, 80.0) == (one.sold, one.before_error, one.after_error)


def test_one_series_and_sizes(world: World) -> None:
    store, name = KEYS[4]
    world.change({"k1": str(store), "k2": name}, "percent", -20)
    world.load(21)
    (one,) = ValueAdded(world.overrides.tables).outcomes(SPEC)
    assert (100.0, 80.0) == (one.before, one.after)
    assert one.sold == pytest.approx(world.sales.y[4, 20])
    assert Record(0, 0, *[0] * 6) == Record.of([])
    sizes = [size_of(100, after) for after in (105, 110, 125, 126, 95, 80, 0)]
    assert sizes == [
        "up, under 10%",
        "up, 10 to 25%",
        "up, 10 to 25%",
        "up, over 25%",
        "down, under 10%",
        "down, 10 to 25%",
        "down, over 25%",
    ]
    assert ("up, over 25%", "up, under 10%") == (size_of(0, 5), size_of(0, 0))
