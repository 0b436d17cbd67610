"""What is kept of an answer: one row of the ledger, which says who asked, what answered and what.

Takes an answer and the question it was given to, gives its id; the row is on disk by then. What
many rows have in common is JSON already, and numbers are put into it: an encoder takes several
times as long. Must not know the database, nor fail an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain, combinations
from time import gmtime, strftime, time_ns
from typing import Any, NamedTuple

from pydantic_core import to_json

from sales_forecast.data.ledger.ids import new_id
from sales_forecast.data.ledger.ledger import Ledger
from sales_forecast.data.ledger.tables import key_hash
from sales_forecast.service.covariates import NOT_USED, SUPPLIED, Told
from sales_forecast.service.forms import Named
from sales_forecast.service.json_route import Question
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.queries import ForecastQuery
from sales_forecast.service.results import Answer

HEADER = "X-Prediction-ID"
_ENDS: Mapping[str, tuple[str, str]] = {"80": ("0.1", "0.9"), "95": ("0.025", "0.975")}
_BOTH_ENDS = ("0.025", "0.1", "0.9", "0.975")
_MOST_SERIES, _MOST_PERIODS, _MOST_CALLERS = 100_000, 10_000, 1_000
_MOST_ANSWERS, _MOST_FORECASTS, _MOST_SOURCES = 1_000, 128, 100


class SeriesForecast(NamedTuple):
    """What is answered of one series: a mapping for each period, and warnings."""

    names: Named
    items: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]


class Kept:
    """The answers of one service."""

    def __init__(self, ledger: Ledger) -> None:
        self._append = ledger.append
        self._alike: _Alike | None = None

    def predicted(
        self, question: Question, predictor: Predictor, series: Named, told: Told, answer: Answer
    ) -> str:
        """Keep an answer of `/predict_sales`. `told`: as `Forms.covariates_of` gives it."""
        alike = self._alike_of(predictor)
        low, high = answer.interval_80 or (None, None)
        lowest, highest = answer.interval_95 or (None, None)
        expected = answer.prediction, answer.mean, lowest, low, high, highest
        forecast = _filled(_period(answer.step, answer.period, _BOTH_ENDS), expected)
        if used := answer.covariates:
            sources = tuple([of.source for of in used.values()])
            form = _covariates(tuple(used), sources)
            covariates = _filled(form, [of.value for of in used.values()])
        else:
            covariates = _filled(alike.covariates, told)
        keys, hashes = _named(alike.fields, series, question.caller)
        of = f'{{"series":{keys},"forecast":[{forecast}]}}'
        model = alike.models[predictor.predicting]
        return self._keep(question, model, f"{covariates},{_texts(answer.warnings)}", of, hashes)

    def forecast(
        self,
        question: Question,
        predictor: Predictor,
        wish: ForecastQuery,
        forecasts: Sequence[SeriesForecast],
    ) -> str:
        """Keep an answer of `/forecast_sales`, of one series or more."""
        alike = self._alike_of(predictor)
        model = alike.models[predictor.forecasting[wish.model or predictor.usual]]
        named = [_named(alike.fields, of.names, question.caller) for of in forecasts]
        if len(forecasts) == 1:
            (one,), ((keys, hashes),) = forecasts, named
            of = f'{{"series":{keys},"forecast":[{alike.periods(wish, one)}]}}'
            return self._keep(question, model, f"{{}},{_texts(one.warnings)}", of, hashes)
        of = ",".join(
            f'{{"series":{keys},"forecast":[{alike.periods(wish, one)}],'
            f'"warnings":{_texts(one.warnings)}}}'
            for one, (keys, _) in zip(forecasts, named, strict=True)
        )
        warnings = dict.fromkeys(chain.from_iterable(one.warnings for one in forecasts))
        hashes = ",".join(dict.fromkeys(",".join(of for _, of in named).split(",")))
        return self._keep(question, model, f"{{}},{_texts(tuple(warnings))}", of, hashes)

    def _alike_of(self, predictor: Predictor) -> _Alike:
        if self._alike is None or self._alike.predictor is not predictor:
            self._alike = _Alike(predictor)
        return self._alike

    def _keep(self, question: Question, model: str, said: str, of: str, hashes: str) -> str:
        """Write a row.

        `said`: covariates and warnings, `of`: answers by series, `hashes`: what finds them.
        """
        now = time_ns()
        prediction_id = new_id(now)
        seconds, nanoseconds = divmod(now, 1_000_000_000)
        line = (
            f'["{prediction_id}","{_second(seconds)}.{nanoseconds // 1000:06d}",'
            f'"{question.request_id.decode()}",{_who(question.path, question.caller)},{model},'
            f"{said},[{of}],null,[{hashes}]]\n"
        )
        self._append(line.encode())
        return prediction_id


class _Alike:
    """What the rows of one predictor have in common.

    Attributes:
        predictor: whose they are.
        fields: the names of the keys of its series.
        models: by model that answers, all columns from it to the origin.
        covariates: what is told where nothing else is used.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.fields = predictor.forms.fields
        self.models = {
            model: _listed((model, predictor.version, *predictor.provenance, predictor.origin))
            for model in (predictor.predicting, *predictor.forecasting.values())
        }
        columns = tuple(of.column for of in predictor.forms.covariates)
        source = SUPPLIED if predictor.uses_covariates else NOT_USED
        self.covariates = _covariates(columns, (source,) * len(columns))
        self._periods: dict[tuple[object, ...], str] = {}

    def periods(self, wish: ForecastQuery, of: SeriesForecast) -> str:
        """Return the periods of one forecast; it is the same as long as the predictor is."""
        if wish.quantiles is not None:  # of which there are any number
            return self._filled(wish, of)
        asked = of.names, len(of.items), wish.model, wish.level
        found = self._periods.get(asked)
        if found is None:
            if len(self._periods) >= _MOST_ANSWERS:
                self._periods.clear()
            found = self._periods[asked] = self._filled(wish, of)
        return found

    def _filled(self, wish: ForecastQuery, of: SeriesForecast) -> str:
        means = self.predictor.means(of.names, len(of.items), wish.model)
        low, high = _ENDS[wish.level]
        quantiles: dict[str, float | None] = {}
        numbers: list[float | None] = []
        for item, mean in zip(of.items, means, strict=True):
            quantiles = {low: item["lower"], high: item["upper"], **item.get("quantiles", {})}
            numbers += item["Sales"], mean, *quantiles.values()
        targets = tuple([item["Date"] for item in of.items])
        return _filled(_forecast(targets, tuple(quantiles)), numbers)


def _filled(form: str, numbers: Sequence[float | None]) -> str:
    # The encoder writes numbers several times as fast as Python does.
    return form % tuple(to_json(numbers).decode()[1:-1].split(",")) if numbers else form


@lru_cache(_MOST_FORECASTS)
def _forecast(targets: Sequence[date], quantiles: Sequence[str]) -> str:
    """Return the form of the first periods, one after the other."""
    return ",".join(_period(step, target, quantiles) for step, target in enumerate(targets, 1))


@lru_cache(_MOST_PERIODS)
def _period(step: int, target: date, quantiles: Sequence[str]) -> str:
    """Return the form of one period, to be filled with median, mean and quantiles."""
    of = ",".join(f'"{tau}":%s' for tau in quantiles)
    return f'{{"step":{step},"target":"{target}","median":%s,"mean":%s,"quantiles":{{{of}}}}}'


@lru_cache(_MOST_SOURCES)
def _covariates(columns: Sequence[str], sources: Sequence[str]) -> str:
    """Return the form of covariates, to be filled with their values."""
    said = ((_json(of).replace("%", "%%") for of in texts) for texts in (columns, sources))
    pairs = zip(*said, strict=True)
    of = ",".join(f'{column}:{{"value":%s,"source":{source}}}' for column, source in pairs)
    return f"{{{of}}}"


@lru_cache(_MOST_SERIES)
def _named(fields: Sequence[str], names: Named, caller: str | None) -> tuple[str, str]:
    """Return the keys of a series as JSON, and the numbers by which it is found.

    There is one for every choice of its keys, and one more of the caller's own.
    """
    keys = list(zip(fields, names, strict=True))
    choices = [dict(of) for n in range(1, len(keys) + 1) for of in combinations(keys, n)]
    callers = dict.fromkeys((None, caller))
    hashes = ",".join(str(key_hash(of, whose)) for whose in callers for of in choices)
    return _json(dict(keys)), hashes


@lru_cache(1)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%d %H:%M:%S", gmtime(seconds))


@lru_cache(_MOST_CALLERS)
def _who(path: str, caller: str | None) -> str:
    return _listed((path, caller))


def _texts(warnings: Sequence[str]) -> str:
    return _json(warnings) if warnings else "[]"


def _listed(cells: Iterable[object]) -> str:
    return _json(tuple(cells))[1:-1]


def _json(content: object) -> str:
    return to_json(content).decode()
