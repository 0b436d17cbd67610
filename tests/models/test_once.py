"""Remembered fits: the same work is done once, and anything else anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_forecast.models.fit_cache import fit_once, forget, once
from tests.builders import panel_of


@dataclass(eq=False)
class Counter:
    """Counts its fits."""

    name: str = "counter"
    fits: int = 0

    def fit(self, panel):
        self.fits += 1
        return object()


def test_panels_of_equal_sales_are_fitted_once_and_others_anew():
    counter = Counter()
    first = fit_once(counter, panel_of(np.ones(5)))
    assert first is fit_once(counter, panel_of(np.ones(5)))
    assert 1 == counter.fits
    fit_once(counter, panel_of(np.ones(6)))
    fit_once(counter, panel_of(np.array([1.0, 1.0, 2.0, 1.0, 1.0])))
    assert 3 == counter.fits


def test_two_forecasters_do_not_share_a_fit():
    one, other, panel = Counter(), Counter(), panel_of(np.ones(5))
    assert fit_once(one, panel) is not fit_once(other, panel)
    assert (1, 1) == (one.fits, other.fits)


def test_what_was_forgotten_is_done_again():
    counter, panel = Counter(), panel_of(np.ones(5))
    before = fit_once(counter, panel)
    forget()
    assert before is not fit_once(counter, panel)
    assert 2 == counter.fits


def test_any_function_of_what_can_be_hashed_can_remember():
    asked = []
    answer = once(lambda number: asked.append(number) or 2 * number)
    assert [4, 4, 6] == [answer(2), answer(2), answer(3)]
    assert [2, 3] == asked
