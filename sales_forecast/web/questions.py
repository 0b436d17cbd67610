"""The question of one series, one period and its conditions: its form, and what answers it.

Takes a predictor and what a form sent, gives an answer to explain. Must not know HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sales_forecast.data.numerals import numeral
from sales_forecast.data.panel import Panel
from sales_forecast.models.naive import GROWTH
from sales_forecast.prediction.forecast import forecast
from sales_forecast.service.covariates import Told, UsedCovariate
from sales_forecast.service.forms import Named
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.results import Answer
from sales_forecast.service.what_if import NO_EFFECT
from sales_forecast.web.fields import read_fields


@dataclass(frozen=True)
class Influence:
    """How far a condition can move one answer, over all that was seen of it.

    Attributes:
        used: what was taken for it; `source`: where that came from.
        low, high: the least and the most that it changes the answer, as parts of it.
    """

    name: str
    used: float | None
    source: str
    low: float
    high: float

    @property
    def has_effect(self) -> bool:
        """Whether it moves the answer at all."""
        return max(abs(self.low), abs(self.high)) >= NO_EFFECT


@dataclass(frozen=True)
class Asked:
    """A question that was answered.

    Attributes:
        title: the series.
        baseline: what the growth baseline says, None where it says nothing.
        plans: what planned covariates were taken to be, by column.
    """

    series: Named
    told: Told
    title: str
    answer: Answer
    baseline: float | None
    influences: Sequence[Influence]
    plans: Mapping[str, UsedCovariate]


def beginning(predictor: Predictor) -> dict[str, str]:
    """Return what the form begins with: an example."""
    spec = predictor.spec
    series, day = predictor.example
    begin = {key.column: str(value) for key, value in zip(spec.keys, series, strict=True)}
    return {**begin, spec.date: day.isoformat(), **_last_known(predictor)}


def _last_known(predictor: Predictor) -> dict[str, str]:
    """Return what the form begins with where something must be told: what was known last."""
    spec, panel = predictor.spec, predictor.panel
    begin = {}
    for of in spec.past:
        if of.name in spec.required:
            known = panel.conditions[of.name][0, -1]
            value = 0.0 if of.name == spec.holiday or np.isnan(known) else float(known)
            begin[of.column] = numeral(value)
    return begin


def ask(predictor: Predictor, sent: Mapping[str, str]) -> Asked:
    """Return the answer to a form. Raises InvalidRequest, UnknownSeries."""
    forms = predictor.forms
    request: Any = read_fields(predictor, forms.predict, sent)
    series, told = forms.series_of(request), forms.covariates_of(request)
    answer = predictor.predict(series, request.day, told)
    row = predictor.series.row(series, by_column=True)
    return Asked(
        series=series,
        told=told,
        title=predictor.series.shown(row),
        answer=answer,
        baseline=_baseline(predictor, row, answer),
        influences=[*_influences(predictor, series, request.day, told, answer)],
        plans={
            of.column: answer.covariates[of.column]
            for of in predictor.spec.future
            if of.column in answer.covariates
        },
    )


def _baseline(predictor: Predictor, row: int, answer: Answer) -> float | None:
    """Return what the growth baseline would have said when the answer would have been given."""
    panel = predictor.panel
    place = (answer.period - panel.first).days // panel.frequency.days
    if answer.step > predictor.most_steps or place < 1:
        return None
    known = panel.select([panel.series[row]]).until(panel.periods[min(place, panel.n_periods) - 1])
    said = forecast({GROWTH.name: GROWTH}, known, answer.step)[GROWTH.name].if_sold[0, -1]
    return None if math.isnan(said) else round(float(said), 2)


def _influences(
    predictor: Predictor, series: Named, day: Any, told: Told, answer: Answer
) -> Iterator[Influence]:
    if not answer.prediction or not predictor.uses_covariates:
        return
    past = predictor.spec.past
    for place, of in enumerate(past):
        seen = _seen(predictor.panel).get(of.name)
        if seen is None:
            continue
        moved = []
        for value in seen:
            changed = [*told]
            changed[place] = value
            other = predictor.predict(series, day, changed).prediction
            moved.append((other - answer.prediction) / abs(answer.prediction))
        used = answer.covariates.get(of.column)
        yield Influence(
            of.column,
            told[place] if used is None else used.value,
            "supplied" if used is None else used.source,
            min(moved),
            max(moved),
        )


@lru_cache(1)
def _seen(panel: Panel) -> Mapping[str, tuple[float, float]]:
    """Return the least and the most of each condition."""
    return {
        name: (float(np.nanmin(values)), float(np.nanmax(values)))
        for name, values in panel.conditions.items()
        if not np.isnan(values).all()
    }
