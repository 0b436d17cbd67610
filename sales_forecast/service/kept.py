"""What is kept of an answer: one row of the ledger, which says who asked, what answered and what.

Takes an answer and the question it was given to, gives its id; the row is on disk by then. Must not
know the database, nor fail an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, combinations
from typing import Any, NamedTuple

from pydantic_core import to_json

from sales_forecast.data.ledger import Ledger
from sales_forecast.data.ledger_ids import new_id
from sales_forecast.data.ledger_tables import key_hash
from sales_forecast.service.covariates import NOT_USED, SUPPLIED, Told
from sales_forecast.service.forms import Named
from sales_forecast.service.json_route import Question
from sales_forecast.service.predictor import Answer, Predictor
from sales_forecast.service.queries import ForecastQuery

HEADER = "X-Prediction-ID"
_ENDS: Mapping[str, tuple[str, str]] = {"80": ("0.1", "0.9"), "95": ("0.025", "0.975")}
_MOST_SERIES = 100_000


class SeriesForecast(NamedTuple):
    """What is answered of one series: its keys, a mapping for each period, and warnings."""

    series: Mapping[str, int | str]
    items: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]

    def beside_others(self) -> dict[str, object]:
        """Return it as one of several."""
        return {**self.series, "forecast": self.items, "warnings": self.warnings}


class Kept:
    """The answers of one service."""

    def __init__(self, ledger: Ledger) -> None:
        self._append_line = ledger.append

    def predicted(
        self, question: Question, predictor: Predictor, series: Named, told: Told, answer: Answer
    ) -> str:
        """Keep an answer of `/predict_sales`. `told`: as `Forms.covariates_of` gives it."""
        low, high = answer.interval_80 or (None, None)
        lowest, highest = answer.interval_95 or (None, None)
        forecast = {
            "step": answer.step,
            "target": answer.period,
            "median": answer.prediction,
            "mean": answer.mean,
            "quantiles": {"0.025": lowest, "0.1": low, "0.9": high, "0.975": highest},
        }
        of = [
            {
                "series": dict(zip(predictor.forms.fields, series, strict=True)),
                "forecast": [forecast],
            }
        ]
        covariates = _covariates(predictor, told, answer)
        said = _Said(predictor.predicting, covariates, answer.warnings, of)
        return self._keep(question, predictor, said)

    def forecast(
        self,
        question: Question,
        predictor: Predictor,
        wish: ForecastQuery,
        forecasts: Sequence[SeriesForecast],
    ) -> str:
        """Keep an answer of `/forecast_sales`, of one series or more."""
        of = [_one_of(predictor, wish, one) for one in forecasts]
        warnings = dict.fromkeys(chain.from_iterable(one.warnings for one in forecasts))
        if len(forecasts) > 1:
            for kept, one in zip(of, forecasts, strict=True):
                kept["warnings"] = one.warnings
        model = predictor.forecasting[wish.model or predictor.usual]
        return self._keep(question, predictor, _Said(model, {}, tuple(warnings), of))

    def _keep(self, question: Question, predictor: Predictor, said: _Said) -> str:
        prediction_id = new_id()
        series = [_hashes(tuple(one["series"].items())) for one in said.answer]
        row = (
            prediction_id,
            datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"),
            question.request_id,
            question.path,
            question.caller,
            said.model,
            predictor.version,
            *predictor.provenance,
            predictor.origin,
            said.covariates,
            said.warnings,
            said.answer,
            None,
            series[0] if len(series) == 1 else tuple(dict.fromkeys(chain.from_iterable(series))),
        )
        self._append_line(to_json(row, inf_nan_mode="null") + b"\n")
        return prediction_id


class _Said(NamedTuple):
    model: str
    covariates: Mapping[str, object]
    warnings: Sequence[str]
    answer: Sequence[Mapping[str, Any]]


def _one_of(predictor: Predictor, wish: ForecastQuery, of: SeriesForecast) -> dict[str, Any]:
    means = predictor.means(tuple(of.series.values()), len(of.items), wish.model)
    low, high = _ENDS[wish.level]
    return {
        "series": of.series,
        "forecast": [
            {
                "step": step,
                "target": item["Date"],
                "median": item["Sales"],
                "mean": mean,
                "quantiles": {low: item["lower"], high: item["upper"], **item.get("quantiles", {})},
            }
            for step, (item, mean) in enumerate(zip(of.items, means, strict=True), 1)
        ],
    }


@lru_cache(_MOST_SERIES)
def _hashes(keys: tuple[tuple[str, int | str], ...]) -> tuple[int, ...]:
    """Return the numbers by which a series is found: one for every choice of its keys."""
    choices = (chosen for n in range(1, len(keys) + 1) for chosen in combinations(keys, n))
    return tuple(key_hash(dict(chosen)) for chosen in choices)


def _covariates(predictor: Predictor, told: Told, answer: Answer) -> Mapping[str, object]:
    if answer.covariates:
        return {
            name: {"value": used.value, "source": used.source}
            for name, used in answer.covariates.items()
        }
    source = SUPPLIED if predictor.uses_covariates else NOT_USED
    columns = [of.column for of in predictor.forms.covariates]
    return {
        name: {"value": value, "source": source} for name, value in zip(columns, told, strict=True)
    }
