"""HTML out of templates: numbers and days as people read them, and headers that keep pages safe.

Takes names of templates and values, gives responses. Must not know what is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from sales_forecast.data.numerals import numeral
from sales_forecast.service.safe_headers import safe_headers
from sales_forecast.web.assets import Assets

SAFE_HEADERS = safe_headers()
NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""
_FEW = 10
_SHORT = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))


class Templates:
    """The templates of the page."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader(str(__package__)),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["asset"] = assets.address
        self._environment.filters.update({of.__name__: of for of in _FILTERS})

    def text(self, name: str, **values: Any) -> str:
        """Return a template filled with values."""
        return self._environment.get_template(name).render(values)

    def page(self, name: str, status: int = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        """Return a whole page, or the part of one that a script puts in its place."""
        return HTMLResponse(self.text(name, **values), status, headers=SAFE_HEADERS)


def money(value: float | None) -> str:
    """Write sales without cents, or with them if they are few: 1,083,265 and 0.02."""
    if value is None or not math.isfinite(value):
        return NOTHING
    value = round(value, 2) + 0.0
    return f"{value:,.2f}" if abs(value) < _FEW and not value.is_integer() else f"{value:,.0f}"


def gain(value: float) -> str:
    """Write a difference of sales with its sign, otherwise as `money`: +1,083,265."""
    return money(value) if round(value, 2) < 0 else f"+{money(value)}"


def cents(value: float | None) -> str:
    """Write sales to the cent: 1,083,264.56."""
    return NOTHING if _is_none(value) else f"{value:,.2f}"


def share(value: float | None) -> str:
    """Write a part of one as percent: 5.8%."""
    return NOTHING if _is_none(value) else f"{value:,.1%}"


def signed(value: float | None) -> str:
    """Write a part of one as percent with its sign: +5.8%."""
    return NOTHING if _is_none(value) else f"{_no_minus_zero(value):+,.1%}"


def against(value: float | None, other: float | None) -> str:
    """Write how much more a number is than another, as a part of that one's size: +5.8%."""
    return signed((value - other) / abs(other)) if other and value is not None else NOTHING


def short(value: float | None) -> str:
    """Write sales in three digits: 1.08m."""
    if value is None or math.isnan(value):
        return NOTHING
    size, unit = _size(value)
    return _three_digits(value / size) + unit


def tick(value: float) -> str:
    """Write a round number: 1.5m."""
    size, unit = _size(value)
    return f"{value / size:.3g}{unit}"


def _size(value: float) -> tuple[float, str]:
    return next((of for of in _SHORT if abs(value) >= of[0] * 0.9995), (1.0, ""))


def _three_digits(value: float) -> str:
    decimals = max(2 - len(f"{abs(value):.0f}") + 1, 0)
    return f"{value:.{decimals}f}"


def day(value: date) -> str:
    """Write a day: 26 Oct 2012."""
    return f"{value.day} {value:%b %Y}"


def near(value: date, unit: str) -> str:
    """Write a day, or one that ends a week, not far away: Fri 26 Oct."""
    return f"{value:%a} {value.day} {value:%b}" if unit == "day" else f"{value.day} {value:%b}"


def moment(value: datetime, zone: bool = True) -> str:  # noqa: FBT001, FBT002 - of a filter
    """Write a moment in UTC: 26 Oct 2012 20:05:09 UTC."""
    return f"{day(value)} {value:%H:%M:%S}{' UTC' if zone else ''}"


def _no_minus_zero(value: float | None) -> float:
    return round(value or 0.0, 3) + 0.0


def _is_none(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


_FILTERS: tuple[Callable[..., str], ...] = (
    money,
    gain,
    cents,
    share,
    signed,
    against,
    short,
    day,
    near,
    moment,
    numeral,
)
