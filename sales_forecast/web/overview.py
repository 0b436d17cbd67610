"""The first page: how much all together will sell, how good that was, and what to look at first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sales_forecast.service.live import Live
from sales_forecast.web.rendering import Templates
from sales_forecast.web.visitors import Door


class OverviewPage:
    """The page `/`."""

    def __init__(self, live: Live, door: Door, templates: Templates) -> None:
        self._live = live
        self._door = door
        self._templates = templates

    async def answer(self, request: Request) -> Response:
        """Show it."""
        visitor = self._door.reader(request)
        predictor = self._live.predictor
        return self._templates.page(
            "overview.html",
            visitor=visitor,
            here="/",
            origin=predictor.origin,
            version=predictor.version,
            n_series=len(predictor.series.named),
        )
