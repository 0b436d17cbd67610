"""The page that says what a series would sell if something were planned otherwise.

Takes a form of promotions and open days, gives both forecasts. Only what has a measured effect may
be changed. Must not know how forecasts come about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from sales_forecast.errors import InvalidRequest, UnknownSeries
from sales_forecast.service.predictor import Predictor
from sales_forecast.service.what_if import levers, plannable
from sales_forecast.web.asking import AskingPage, Sent
from sales_forecast.web.charts import NARROW, Frame
from sales_forecast.web.fan import fan
from sales_forecast.web.fields import Wrong, example_series
from sales_forecast.web.wishing import (
    cells,
    effects_of,
    names_of_wishes,
    series_of,
    wish,
)

_BESIDE = Frame(640, 300)
"""There is a form beside the picture."""


class WhatIfPage(AskingPage):
    """The page `/what-if`."""

    path = "/what-if"

    def model(self, predictor: Predictor) -> type[BaseModel]:
        """See `AskingPage.model`; what is wished comes beside it."""
        return predictor.forms.one

    def known(self, predictor: Predictor) -> frozenset[str]:
        """See `AskingPage.known`."""
        return super().known(predictor) | names_of_wishes(predictor)

    def begin(self, predictor: Predictor) -> Sent:
        """See `AskingPage.begin`."""
        return example_series(predictor)

    def find(self, predictor: Predictor, sent: Sent) -> Mapping[str, Any]:
        """Return what comes of a wish, and its pictures."""
        tried = wish(predictor, sent)
        outlook = tried.outlook
        return {"tried": tried, "wide": fan(outlook, _BESIDE), "narrow": fan(outlook, NARROW)}

    def form(self, predictor: Predictor, values: Sent, wrong: Wrong) -> Mapping[str, Any]:
        """See `AskingPage.form`."""
        try:
            found = levers(predictor, series_of(predictor, values))
        except (InvalidRequest, UnknownSeries):
            found = ()  # what is wrong with the series is said already
        measured = {of.of.column for of in found}
        columns = [of.column for of in plannable(predictor.spec)]
        return {
            **super().form(predictor, values, wrong),
            "columns": columns,
            "measured": [column for column in columns if column in measured],
            "unmeasured": [column for column in columns if column not in measured],
            "rows": cells(predictor, found, values, wrong),
            "effects": [*effects_of(found)],
        }
