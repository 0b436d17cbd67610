"""The page that says how much to order: two costs in, a quantity and its costs out.

Reads what `POST /order_quantity` reads and says what it says. Must not know how quantities come
about.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from sales_forecast.service.orders import order_for
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.asking import AskingPage, Sent
from sales_forecast.web.fields import example_series, read_fields

_STEP = "step"


class OrderPage(AskingPage):
    """The page `/order`."""

    path = "/order"

    def model(self, predictor: Predictor) -> type[BaseModel]:
        """See `AskingPage.model`."""
        return predictor.forms.order

    def begin(self, predictor: Predictor) -> Sent:
        """See `AskingPage.begin`."""
        return {**example_series(predictor), _STEP: "1"}

    def linked(self, predictor: Predictor) -> frozenset[str]:
        """See `AskingPage.linked`."""
        return super().linked(predictor) | {_STEP}

    def find(self, predictor: Predictor, sent: Sent) -> dict[str, Any]:
        """Return what the API answers, and what the series is called."""
        forms = predictor.forms
        request: Any = read_fields(predictor, forms.order, sent)
        series = forms.series_of(request)
        order = order_for(predictor, series, request.step, request.too_many, request.too_few)
        row = predictor.series.row(series, by_column=False)
        return {**order, "title": predictor.series.shown(row)}
