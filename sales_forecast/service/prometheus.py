"""What Prometheus is told: requests, how long they took, predictions, and how old all is.

Takes what `observe` reports and a `Live`, gives the text that is scraped. Counts live in the
application they belong to or, where several workers serve, in a folder that they share. Labels
are bounded: what a caller makes up is counted as `other`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from http import HTTPMethod, HTTPStatus
from itertools import product
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from sales_forecast.data.ledger.ledger import Result
from sales_forecast.errors import NotReady
from sales_forecast.evaluation.error_sums import Measures
from sales_forecast.evaluation.realised import some_lags
from sales_forecast.service.live import Live

__all__ = ["CONTENT_TYPE", "Metrics"]

_OTHER = "other"
_METHODS = frozenset(HTTPMethod)
_SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
)  # fmt: skip


_REALISED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "realised_wape_ratio": ("Absolute errors over sales of the last 13 weeks.", {"": "wape"}),
    "realised_bias_ratio": ("What was expected too much, of sales; see wape.", {"": "bias"}),
    "coverage_ratio": (
        "Sales that were inside their interval; see wape.",
        {"80": "coverage_80", "95": "coverage_95"},
    ),
    "skill_ratio": ("Errors less than those of the growth baseline; see wape.", {"": "skill"}),
}
"""Name -> what it is, and the field of `Measures` of each label `level`."""


class Metrics:
    """A report that counts.

    `paths` are those that exist, `answering` those that predict. `shared` is the folder of
    PROMETHEUS_MULTIPROC_DIR, which must be in the environment before this module is imported.
    """

    def __init__(
        self,
        live: Live,
        paths: Collection[str],
        answering: Collection[str],
        shared: Path | None = None,
    ) -> None:
        self._live = live
        self._paths = frozenset(paths)
        self._with_end = {path.rpartition("/")[0]: path for path in paths if path.endswith("}")}
        self._answering = frozenset(answering)
        self._shared = shared
        self._registry = own = CollectorRegistry()
        requests = Counter(
            "sales_forecast_requests",
            "Requests, 499 being those whose caller hung up before the answer.",
            ["method", "path", "status"],
            registry=own,
        )
        seconds = Histogram(
            "sales_forecast_request_seconds",
            "From the head of a request to the end of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=own,
        )
        predictions = Counter(
            "sales_forecast_predictions",
            "Answers of the two forecasting endpoints.",
            ["endpoint", "model_version"],
            registry=own,
        )
        rows = Counter(
            "sales_forecast_ledger_rows",
            "Answers that were written to disk, moved to the database, lost or torn.",
            ["result"],
            registry=own,
        )
        self._rows = {result: rows.labels(result) for result in get_args(Result)}
        # Looking a child up by its labels takes longer than counting.
        self._requests, self._seconds = cache(requests.labels), cache(seconds.labels)
        self._predictions = cache(predictions.labels)

    def __call__(
        self, request_id: bytes, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Count one request, where a full disk lets it. See `observe.Report`."""
        del request_id
        known = self._known(path)
        with suppress(OSError):  # several workers count in files, and a new name takes room
            self._requests(method if method in _METHODS else _OTHER, known, status).inc()
            self._seconds(known).observe(seconds)
            if status == HTTPStatus.OK and path in self._answering:
                self._predictions(path, self._live.predictor.version).inc()

    def _known(self, path: str) -> str:
        """Return the path that exists, be it with an id or a name at its end."""
        if path in self._paths:
            return path
        return self._with_end.get(path.rpartition("/")[0], _OTHER)

    def count_rows(self, result: Result, number: int) -> None:
        """Count rows of the ledger. See `data.ledger`."""
        self._rows[result].inc(number)

    def text(self, *, ready: bool) -> bytes:
        """Return everything in the form that Prometheus reads."""
        if self._shared is None:
            counted = generate_latest(self._registry)
        else:
            everybody = CollectorRegistry()
            MultiProcessCollector(everybody, str(self._shared))  # type: ignore[no-untyped-call]
            counted = generate_latest(everybody)
        now = CollectorRegistry()
        now.register(_Now(self._live, ready=ready))
        return counted + generate_latest(now)


class _Now:
    """What is not counted but looked up when somebody asks."""

    def __init__(self, live: Live, *, ready: bool) -> None:
        self._live = live
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        """Give one number each; the ages only where there is a model."""
        yield GaugeMetricFamily("sales_forecast_ready", "1 if /ready says so.", float(self._ready))
        if self._live.watched.succeeded:
            yield _last_success(self._live.watched.succeeded)
        try:
            predictor = self._live.predictor
        except NotReady:
            return
        now = datetime.now(UTC)
        trained_at = datetime.fromisoformat(str(predictor.describe()["trained_at"]))
        yield GaugeMetricFamily(
            "sales_forecast_model_age_seconds",
            "Since the served model was trained.",
            (now - trained_at).total_seconds(),
        )
        yield GaugeMetricFamily(
            "sales_forecast_data_age_days",
            "Since the end of the last known week.",
            float((now.date() - predictor.origin).days),
        )
        yield from _realised(self._live.watched.realised)


def _realised(of_step: Mapping[int, Measures]) -> Iterator[Metric]:
    """Give how good forecasts were, by how far ahead; a number that does not exist is left out."""
    told = some_lags(of_step)
    for name, (meaning, fields) in _REALISED.items():
        labels = ["lag", "level"] if "" not in fields else ["lag"]
        family = GaugeMetricFamily(f"sales_forecast_{name}", meaning, labels=labels)
        for step, (level, field) in product(told, fields.items()):
            value = getattr(told[step], field)
            if not math.isnan(value):
                family.add_metric([str(step), level][: len(labels)], value)
        if family.samples:
            yield family


def _last_success(of_job: Mapping[str, datetime]) -> Metric:
    family = GaugeMetricFamily(
        "sales_forecast_last_success_timestamp_seconds",
        "When a step of the weekly job last came to its end; `monitor`: all of them.",
        labels=["job"],
    )
    for job, at in of_job.items():
        family.add_metric([job], at.timestamp())
    return family
