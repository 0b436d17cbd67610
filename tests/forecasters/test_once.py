"""Remembered fits and answers: the same work is done once, and anything else anew."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sales_forecast.forecasters.once import Once
from tests.builders import panel_of


@dataclass(eq=False)
class Counter:
    """Predicts how often it was asked, and counts its fits."""

    name: str = "counter"
    fits: int = 0
    answers: int = 0
    conditions: list = field(default_factory=list)

    def fit(self, panel):
        self.fits += 1
        return self

    def predict(self, history, horizon, conditions=None):
        self.answers += 1
        self.conditions.append(conditions)
        return np.full((history.n_series, horizon), float(self.answers))


def test_it_has_the_name_of_the_forecaster():
    assert "counter" == Once(Counter()).name


def test_a_panel_is_fitted_once_and_another_of_equal_sales_anew():
    counter = Counter()
    once, panel = Once(counter), panel_of(np.ones(5))
    assert once.fit(panel) is once.fit(panel)
    assert 1 == counter.fits
    once.fit(panel_of(np.ones(5)))
    assert 2 == counter.fits


def test_two_forecasters_do_not_share_a_fit():
    one, other, panel = Counter(), Counter(), panel_of(np.ones(5))
    assert Once(one).fit(panel) is not Once(other).fit(panel)
    assert (1, 1) == (one.fits, other.fits)


def test_the_last_question_is_answered_from_memory_and_any_other_anew():
    panel, known = panel_of(np.ones(5)), {"Temperature": np.ones((1, 2))}
    counter = Counter()
    fitted = Once(counter).fit(panel)
    asked = [
        (panel, 2), (panel, 2), (panel, 3), (panel, 2, known), (panel, 2, known),
        (panel, 2, dict(known)), (panel_of(np.ones(5)), 2),
    ]  # fmt: skip
    answers = [fitted.predict(*one)[0, 0] for one in asked]
    assert [1, 1, 2, 3, 3, 4, 5] == answers
    assert [None, None, known, known, None] == counter.conditions


def test_an_answer_that_is_changed_changes_no_later_one():
    panel = panel_of(np.ones(5))
    fitted = Once(Counter()).fit(panel)
    fitted.predict(panel, 2)[:] = 0.0
    assert [[1.0, 1.0]] == fitted.predict(panel, 2).tolist()
