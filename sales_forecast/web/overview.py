"""The first page: what all together will sell, how good that was, and what to look at first.

Takes what is served, gives a page. What is read of the database is kept until the forecasts or the
sales are others. Must not know how numbers are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.data.forecasts.former_forecasts import FormerForecasts
from sales_forecast.errors import SalesForecastError
from sales_forecast.service.live import Live
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.attention import KINDS, Kind, notices
from sales_forecast.web.charts import NARROW, spark
from sales_forecast.web.fan import fan
from sales_forecast.web.outlook import Outlooks
from sales_forecast.web.record import Records
from sales_forecast.web.rendering import Templates
from sales_forecast.web.selection import selections_of
from sales_forecast.web.series_page import AHEAD, BACK, headlines_of
from sales_forecast.web.visitors import Door

_MOST_SHOWN = 20
_SPARK_WEEKS = 26
_LEVELS: Mapping[str, str] = {"All together": "chain", "Series by series": "series"}


@dataclass(frozen=True)
class _Item:
    kind: Kind
    title: str
    address: str
    amount: float
    sentence: str
    picture: Markup


class OverviewPage:
    """The page `/`."""

    def __init__(
        self,
        live: Live,
        door: Door,
        templates: Templates,
        *,
        outlooks: Outlooks,
        records: Records,
        former: FormerForecasts,
    ) -> None:
        self._live = live
        self._door = door
        self._templates = templates
        self._outlooks = outlooks
        self._records = records
        self._former = former
        self._lock = Lock()
        self._made: tuple[object, dict[str, Any]] = (None, {})
        self._found: tuple[object, Sequence[_Item]] = (None, ())

    async def answer(self, request: Request) -> Response:
        """Show it."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        values = await run_in_threadpool(self._values, predictor)
        wanted = request.query_params.get("kind")
        items = [of for of in values["items"] if wanted in {None, of.kind}]
        return self._templates.page(
            "overview.html",
            visitor=visitor,
            here="/",
            **{**values, "items": items[:_MOST_SHOWN], "wanted": wanted},
        )

    def _values(self, predictor: Predictor) -> dict[str, Any]:
        """Return what the page shows, made anew where the sales, forecasts or plans are others."""
        try:
            issue = next(iter(self._former.origins(1).values()), None)
            version = None
            if issue is not None:
                version = self._live.overrides.planned(predictor.spec, issue, {}).version
            stamp: tuple[object, ...] = predictor, issue, version
        except SalesForecastError as error:
            issue, stamp = None, (predictor, error.public)
        with self._lock:  # whoever comes meanwhile waits for the same numbers
            if self._made[0] != stamp:
                values = self._make(predictor, (predictor, issue))
                if values["problem"] is not None:
                    return values  # it may be over soon
                self._made = stamp, values
            return self._made[1]

    def _make(self, predictor: Predictor, of: tuple[object, ...]) -> dict[str, Any]:
        unit = predictor.panel.frequency.unit
        everything = selections_of(predictor).of({})
        outlook = self._outlooks.of(predictor, everything, BACK[unit], AHEAD[unit][1])
        values: dict[str, Any] = {
            "outlook": outlook,
            "unit": unit,
            "headlines": headlines_of(outlook),
            "wide": fan(outlook),
            "narrow": fan(outlook, NARROW),
            "version": predictor.version,
            "kinds": KINDS,
            "records": {},
            "items": [],
            "counts": Counter(),
            "problem": None,
        }
        try:
            values["records"] = {
                name: self._records.of_level(predictor, level) for name, level in _LEVELS.items()
            }
            if self._found[0] != of:  # plans do not change it
                self._found = of, self._items(predictor)
        except SalesForecastError as error:
            return {**values, "problem": error.public}
        items = self._found[1]
        return {**values, "items": items, "counts": Counter(item.kind for item in items)}

    def _items(self, predictor: Predictor) -> Sequence[_Item]:
        selections, panel = selections_of(predictor), predictor.panel
        periods = panel.frequency.periods(_SPARK_WEEKS)
        items = []
        for of in notices(panel, self._former):
            selection = selections.of_row(of.row)
            known = [None if np.isnan(value) else value for value in panel.y[of.row, -periods:]]
            ahead = predictor.means(predictor.series.named[of.row], periods // 2, "best")
            told = [None if np.isnan(value) else value for value in ahead]
            picture = spark(known, told, f"{selection.title}: half a year sold, then the forecast")
            items.append(
                _Item(
                    of.kind, selection.title, selection.address(), of.amount, of.sentence, picture
                )
            )
        return items
