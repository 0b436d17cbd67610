"""Traits: what is a name, what is a measure, and who is like whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sales_forecast.data.panel import Panel
from sales_forecast.data.traits import NEAREST, Likeness, is_name
from tests.builders import panel_of


def panel_with(pooled_by: str | None = None, **traits: list[object]) -> Panel:
    """Series "1", "2", ... with these traits."""
    values = {name: np.array(of) for name, of in traits.items()}
    n = len(next(iter(values.values())))
    return replace(panel_of(np.ones((n, 3))), traits=values, pooled_by=pooled_by)


def peers(panel: Panel, row: int) -> list[int]:
    others = np.delete(np.arange(panel.n_series), row)
    return Likeness.of(panel).peers(np.array([row]), others)[row].tolist()


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["A", "B", "A"], True),
        ([1.5, 2.5, 3.5], False),
        ([1.0, 2.0, 3.0], False),
        ([7, 8, 7], True),
    ],
    ids=["texts", "numbers", "whole numbers with a point", "few codes"],
)
def test_texts_and_codes_name_and_numbers_measure(values, name):
    panel = panel_with(kind=values)
    assert name == is_name(panel, panel.traits["kind"])


@pytest.mark.parametrize(("n", "name"), [(12, True), (13, False)])
def test_many_whole_numbers_measure(n, name):
    panel = panel_with(employees=list(range(100, 100 + n)))
    assert name == is_name(panel, panel.traits["employees"])


def test_many_whole_numbers_that_are_keys_name():
    stores = list(range(1, 14))
    panel = replace(panel_with(store=stores), keys={"Store": np.array(stores)})
    assert is_name(panel, panel.traits["store"])


def test_without_traits_all_others_are_peers():
    assert [0, 2, 3] == peers(panel_of(np.ones((4, 3))), 1)


def test_peers_share_the_most_names():
    panel = panel_with(kind=list("aabba"), region=list("xyxyx"))
    assert [4] == peers(panel, 0)
    assert [0, 3, 4] == peers(panel, 1)  # one name each


def test_one_pool_counts_for_more_than_all_other_names():
    traits = {"kind": list("aab"), "region": list("xxy"), "article": ["milk", "soap", "milk"]}
    assert [1] == peers(panel_with(**traits), 0)
    assert [2] == peers(panel_with("article", **traits), 0)


def test_a_new_pool_has_peers_by_its_other_names():
    panel = panel_with("article", article=["milk", "soap", "soap"], region=list("xyx"))
    assert [2] == peers(panel, 0)


def test_of_many_peers_the_nearest_in_size_are_taken():
    size = [10.0, 90.0, 11.0, 12.0, 80.0, 9.0, 8.0, 7.0]
    found = peers(panel_with(size=size), 0)
    assert NEAREST == len(found)
    assert {2, 3, 5, 6, 7} == set(found)


def test_of_peers_that_are_as_near_none_is_left_out():
    assert 7 == len(peers(panel_with(size=[1.0] * 8), 0))
    assert [1, 2, 3, 4, 5, 6] == peers(panel_with(size=[1.0, 1, 1, 1, 1, 2, 2, 3]), 0)


def test_pools_of_many_numbers_are_pools():
    article = list(range(100, 113)) * 2
    panel = panel_with("article", article=article, price=[float(n) for n in range(26)])
    assert [13] == peers(panel, 0)


def test_names_come_before_measures():
    panel = panel_with(kind=list("abbbbbba"), size=[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 99.0])
    assert [7] == peers(panel, 0)


def test_the_unit_of_a_measure_makes_no_difference():
    size, distance = [5.0, 1.0, 2.0, 3.0, 8.0, 9.0, 7.0], [1.0, 9.0, 3.0, 2.0, 4.0, 5.0, 6.0]
    in_metres = [1000 * of for of in distance]
    assert peers(panel_with(size=size, away=distance), 0) == peers(
        panel_with(size=size, away=in_metres), 0
    )


def test_peers_of_many_are_those_of_each_among_those_that_are_given():
    panel = panel_with(kind=list("aaabb"), size=[3.0, 1.0, 2.0, 4.0, 5.0])
    rows = np.array([0, 1, 4])
    found = Likeness.of(panel).peers(rows, np.array([2, 3]))
    assert {0: [2], 1: [2], 4: [3]} == {row: alike.tolist() for row, alike in found.items()}
