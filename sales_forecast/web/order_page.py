"""The page that says how much to order: two costs in, a quantity and its costs out.

Takes a form, gives a page or, for our script, the part of it that changes; reads what `POST
/order_quantity` reads and says what it says. Must not know how quantities come about.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.errors import InvalidRequest, UnknownSeries
from sales_forecast.service.live import Live
from sales_forecast.service.orders import order_for
from sales_forecast.service.predictor import Predictor
from sales_forecast.web.ask import PART
from sales_forecast.web.fields import Wrong, fields, read_fields, wrong_of
from sales_forecast.web.rendering import Templates
from sales_forecast.web.visitors import Door

ORDER = "/order"


class OrderPage:
    """The page `/order`."""

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates

    async def answer(self, request: Request) -> Response:
        """Show the form and, once its costs are filled in, the quantity."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        model, spec = predictor.forms.order, predictor.spec
        known = {of.name for of in fields(predictor, model, {}, {})}
        sent = {name: value for name, value in request.query_params.items() if name in known}
        named = zip(spec.keys, predictor.example[0], strict=True)
        begin = {key.field: str(value) for key, value in named} | {"step": "1"}
        status, problem, found = HTTPStatus.OK, None, None
        wrong: Wrong = {}
        if (known - begin.keys()) & sent.keys():  # a link names a series alone
            begin = {}
            try:
                found = await run_in_threadpool(_order, predictor, sent)
            except (InvalidRequest, UnknownSeries) as error:
                status, problem, wrong = HTTPStatus(error.status), error.message, wrong_of(error)
        form = fields(predictor, model, begin | sent, wrong)
        return self._templates.page(
            "order_part.html" if PART in request.headers else "order.html",
            status,
            visitor=visitor,
            here=ORDER,
            form=form,
            found=found,
            problem=problem if not any(of.problem for of in form) else None,
            unit=spec.frequency.unit,
            origin=predictor.origin,
            version=predictor.version,
        )


def _order(predictor: Predictor, sent: dict[str, str]) -> dict[str, Any]:
    """Return what the API answers, and what the series is called."""
    forms = predictor.forms
    request: Any = read_fields(predictor, forms.order, sent)
    series = forms.series_of(request)
    order = order_for(predictor, series, request.step, request.too_many, request.too_few)
    return {**order, "title": predictor.series.shown(predictor.series.row(series, by_column=False))}
