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
_MOST_SERIES, _MOST_TARGETS, _MOST_CALLERS, _MOST_MODELS = 100_000, 10_000, 1_000, 8


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
        forecast = _period(
            answer.step,
            answer.period,
            (answer.prediction, answer.mean),
            (("0.025", lowest), ("0.1", low), ("0.9", high), ("0.975", highest)),
        )
        named, hashes = _named(predictor.forms.fields, series, question.caller)
        said = to_json((_covariates(predictor, told, answer), answer.warnings))
        of = f'{{"series":{named},"forecast":[{forecast}]}}'
        return self._keep(question, predictor, predictor.predicting, (said, of, hashes))

    def forecast(
        self,
        question: Question,
        predictor: Predictor,
        wish: ForecastQuery,
        forecasts: Sequence[SeriesForecast],
    ) -> str:
        """Keep an answer of `/forecast_sales`, of one series or more."""
        model = predictor.forecasting[wish.model or predictor.usual]
        named = [_named(predictor.forms.fields, of.names, question.caller) for of in forecasts]
        if len(forecasts) == 1:
            (one,), ((keys, hashes),) = forecasts, named
            of = f'{{"series":{keys},"forecast":[{_periods(predictor, wish, one)}]}}'
            return self._keep(question, predictor, model, (to_json(({}, one.warnings)), of, hashes))
        of = ",".join(
            f'{{"series":{keys},"forecast":[{_periods(predictor, wish, one)}],'
            f'"warnings":{to_json(one.warnings).decode()}}}'
            for one, (keys, _) in zip(forecasts, named, strict=True)
        )
        warnings = dict.fromkeys(chain.from_iterable(one.warnings for one in forecasts))
        hashes = ",".join(dict.fromkeys(",".join(of for _, of in named).split(",")))
        said = to_json(({}, tuple(warnings)))
        return self._keep(question, predictor, model, (said, of, hashes))

    def _keep(
        self, question: Question, predictor: Predictor, model: str, said: tuple[bytes, str, str]
    ) -> str:
        """Write a row. `said`: covariates and warnings, answers by series, and key hashes."""
        now = time_ns()
        prediction_id = new_id(now)
        seconds, nanoseconds = divmod(now, 1_000_000_000)
        begin = f'["{prediction_id}","{_second(seconds)}.{nanoseconds // 1000:06d}","'
        who = _who(question.path, question.caller)
        which = _which(model, predictor.version, predictor.origin, predictor.provenance)
        beside, of, hashes = said
        self._append(
            b'%b%b",%b%b%b,%b\n'
            % (
                begin.encode(),
                question.request_id,
                who,
                which,
                beside[1:-1],
                f"[{of}],null,[{hashes}]]".encode(),
            )
        )
        return prediction_id


def _periods(predictor: Predictor, wish: ForecastQuery, of: SeriesForecast) -> str:
    means = predictor.means(of.names, len(of.items), wish.model)
    low, high = _ENDS[wish.level]
    return ",".join(
        [
            _period(
                step,
                item["Date"],
                (item["Sales"], mean),
                ((low, item["lower"]), (high, item["upper"]), *item.get("quantiles", {}).items()),
            )
            for step, (item, mean) in enumerate(zip(of.items, means, strict=True), 1)
        ]
    )


def _period(
    step: int,
    target: date,
    expected: tuple[float, float],
    quantiles: Iterable[tuple[str, float | None]],
) -> str:
    """Return one period as JSON, of which there are many: an encoder takes twice as long.

    `expected`: median and mean.
    """
    median, mean = expected
    known = dict(quantiles)
    of = ",".join([f'"{tau}":{"null" if of is None else repr(of)}' for tau, of in known.items()])
    return f'{_target(step, target)}"median":{median!r},"mean":{mean!r},"quantiles":{{{of}}}}}'


@lru_cache(_MOST_TARGETS)
def _target(step: int, target: date) -> str:
    return f'{{"step":{step},"target":"{target}",'


@lru_cache(_MOST_SERIES)
def _named(fields: Sequence[str], names: Named, caller: str | None) -> tuple[str, str]:
    """Return the keys of a series as JSON, and the numbers by which it is found.

    There is one for every choice of its keys, and one more of the caller's own.
    """
    keys = list(zip(fields, names, strict=True))
    choices = [dict(of) for n in range(1, len(keys) + 1) for of in combinations(keys, n)]
    callers = dict.fromkeys((None, caller))
    hashes = ",".join(str(key_hash(of, whose)) for whose in callers for of in choices)
    return to_json(dict(keys)).decode(), hashes


@lru_cache(1)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(seconds))


@lru_cache(_MOST_CALLERS)
def _who(path: str, caller: str | None) -> bytes:
    return to_json((path, caller))[1:-1] + b","


@lru_cache(_MOST_MODELS)
def _which(model: str, version: str, origin: date, provenance: Provenance) -> bytes:
    return to_json((model, version, *provenance, origin))[1:-1] + b","


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
