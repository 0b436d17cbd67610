"""What would be answered once another plan was loaded: for questions that supply one, and wishes.

Takes a bundle, a panel and what is planned otherwise of one series, gives the answers of the panel
with that plan, by the one way to a forecast. Takes long: one at a time, and none in an event loop.
Must not know what may be wished, nor HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.data.panel import Panel
from sales_forecast.features.daily_design import CONTEXT
from sales_forecast.service.answers import Answers

Wish = Mapping[str, Sequence[float | None]]
"""Name of a covariate -> what is planned from some period on; None where the plan stays."""
_Found = tuple[Answers, int]
"""Answers, and the row of the series among those that they know."""


class Otherwise:
    """Other plans of one panel. `answers`: of the plan as it is."""

    def __init__(self, bundle: Bundle, panel: Panel, answers: Answers) -> None:
        self._bundle = bundle
        self._panel = panel
        self._answers = answers
        self._one_at_a_time = Lock()
        # Of many series an answer weighs 100 MB: the last one alone is kept.
        self._last: tuple[object, _Found] | None = None

    def of(self, model: str, row: int, period: int, values: Mapping[str, float]) -> _Found:
        """Return what answers a question of a period by a model, if `values` were planned of it."""
        wish = {name: (value,) for name, value in values.items()}
        step = period - self._panel.n_periods + 1
        if step > 0:
            return self.ahead(model, row, step, period, wish)
        key = ("within", row, period, wish)
        return self._kept(key, lambda: self._within(row, period, wish))

    def ahead(self, model: str, row: int, steps: int, first: int, wish: Wish) -> _Found:
        """Return what answers by a model for `steps` periods after the history.

        `first`: the period with which the wish begins, after the history.
        """
        key = ("ahead", model, row, steps, first, wish)
        return self._kept(key, lambda: self._ahead(model, row, steps, first, wish))

    def _ahead(self, model: str, row: int, steps: int, first: int, wish: Wish) -> _Found:
        bundle, panel = self._bundle, self._panel
        names = self._answers.among(model, row)
        among = panel if len(names) == panel.n_series else panel.select(names)
        place = among.positions[panel.series[row]]
        # Days after those that are asked for may be closed.
        horizon = min(steps + CONTEXT, self._answers.horizon)
        alone = replace(bundle, models={model: bundle.models[model]})
        return Answers(alone, among.planning(place, first, wish), horizon, past=False), place

    def _within(self, row: int, period: int, wish: Wish) -> _Found:
        return self._answers.within(self._panel.planning(row, period, wish)), row

    def _kept(self, key: object, find: Callable[[], _Found]) -> _Found:
        with self._one_at_a_time:
            if self._last is None or self._last[0] != key:
                self._last = None  # so that two are never held at once
                self._last = key, find()
            return self._last[1]
