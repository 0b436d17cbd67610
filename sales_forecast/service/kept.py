"""What is kept of an answer: one row of the ledger, which says who asked, what answered and what.

Takes an answer and the question it was given to, gives its id; the row is on disk by then. Must not
know the database, nor fail an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain, combinations
from time import gmtime, strftime, time_ns
from typing import Any, NamedTuple

from pydantic_core import to_json

from sales_forecast.data.ledger import Ledger
from sales_forecast.data.ledger_ids import new_id
from sales_forecast.data.ledger_tables import key_hash
from sales_forecast.service.covariates import NOT_USED, SUPPLIED, Told
from sales_forecast.service.forms import Named
from sales_forecast.service.json_route import Question
from sales_forecast.service.predictor import Answer, Predictor, Provenance
from sales_forecast.service.queries import ForecastQuery

HEADER = "X-Prediction-ID"
_ENDS: Mapping[str, tuple[str, str]] = {"80": ("0.1", "0.9"), "95": ("0.025", "0.975")}
_MOST_SERIES, _MOST_CALLERS, _MOST_MODELS = 100_000, 1_000, 8
_Said = tuple[Mapping[str, object], Sequence[str], Sequence[Mapping[str, Any]], None, Sequence[int]]
"""The cells of a row from `covariates` on, and the numbers by which it is found."""


class SeriesForecast(NamedTuple):
    """What is answered of one series: a mapping for each period, and warnings."""

    names: Named
    items: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]


class Kept:
    """The answers of one service."""

    def __init__(self, ledger: Ledger) -> None:
        self._append = ledger.append

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
        fields = predictor.forms.fields
        of = ({"series": dict(zip(fields, series, strict=True)), "forecast": (forecast,)},)
        covariates = _covariates(predictor, told, answer)
        hashes = _hashes(fields, series)
        said: _Said = (covariates, answer.warnings, of, None, hashes)
        return self._keep(question, predictor, predictor.predicting, said)

    def forecast(
        self,
        question: Question,
        predictor: Predictor,
        wish: ForecastQuery,
        forecasts: Sequence[SeriesForecast],
    ) -> str:
        """Keep an answer of `/forecast_sales`, of one series or more."""
        of = [_one_of(predictor, wish, one) for one in forecasts]
        fields = predictor.forms.fields
        warnings: Iterable[str] = forecasts[0].warnings
        hashes: Iterable[int] = _hashes(fields, forecasts[0].names)
        if len(forecasts) > 1:
            for kept, one in zip(of, forecasts, strict=True):
                kept["warnings"] = one.warnings
            warnings = dict.fromkeys(chain.from_iterable(one.warnings for one in forecasts))
            named = (one.names for one in forecasts)
            hashes = dict.fromkeys(chain.from_iterable(_hashes(fields, one) for one in named))
        said: _Said = ({}, tuple(warnings), of, None, tuple(hashes))
        model = predictor.forecasting[wish.model or predictor.usual]
        return self._keep(question, predictor, model, said)

    def _keep(self, question: Question, predictor: Predictor, model: str, said: _Said) -> str:
        now = time_ns()
        prediction_id = new_id(now)
        seconds, nanoseconds = divmod(now, 1_000_000_000)
        begin = f'["{prediction_id}","{_second(seconds)}.{nanoseconds // 1000:06d}","'
        self._append(
            b'%b%b",%b%b%b\n'
            % (
                begin.encode(),
                question.request_id,
                _who(question.path, question.caller),
                _which(model, predictor.version, predictor.origin, predictor.provenance),
                # Without the bracket that opens it: these are the last cells of the row.
                to_json(said, inf_nan_mode="null")[1:],
            )
        )
        return prediction_id


@lru_cache(1)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(seconds))


@lru_cache(_MOST_CALLERS)
def _who(path: str, caller: str | None) -> bytes:
    return to_json((path, caller))[1:-1] + b","


@lru_cache(_MOST_MODELS)
def _which(model: str, version: str, origin: date, provenance: Provenance) -> bytes:
    return to_json((model, version, *provenance, origin))[1:-1] + b","


def _one_of(predictor: Predictor, wish: ForecastQuery, of: SeriesForecast) -> dict[str, Any]:
    means = predictor.means(of.names, len(of.items), wish.model)
    low, high = _ENDS[wish.level]
    return {
        "series": dict(zip(predictor.forms.fields, of.names, strict=True)),
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
def _hashes(fields: Sequence[str], names: Named) -> tuple[int, ...]:
    """Return the numbers by which a series is found: one for every choice of its keys."""
    keys = list(zip(fields, names, strict=True))
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
