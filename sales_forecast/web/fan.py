"""A fan of forecasts: history, last year, former forecasts, what is expected and its intervals.

Takes an outlook, gives a picture; by whoever shows it stands a table with every number of it. Must
not know what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby

from markupsafe import Markup, escape

from sales_forecast.web.charts import WIDE, Frame, Scale, line_of, picture, scale_of, text_of
from sales_forecast.web.outlook import Outlook, Period
from sales_forecast.web.rendering import day, money, tick

BANDS = (("95", "lower_95", "upper_95"), ("80", "lower_80", "upper_80"), ("60", "q20", "q80"))
"""Level, and the quantiles that are its ends; the widest first, as it is painted first."""
_WEEKS_OF_A_PHONE = 26
_RADIUS = 3.0
_MONTH_TICKS = {True: 9, False: 4}


def fan(outlook: Outlook, frame: Frame = WIDE) -> Markup:
    """Paint history, last year, former forecasts, and what is expected with its intervals."""
    periods = outlook.periods if frame.is_wide else _near(outlook)
    values = [value for of in periods for value in _values(of)]
    if not values:
        return Markup("")
    y = scale_of(values, frame.height - frame.bottom, frame.top)
    inside = frame.width - frame.left - frame.right
    apart = inside / max(len(periods), 1)
    x = [frame.left + (number + 0.5) * apart for number in range(len(periods))]

    def line(kind: str, of: Callable[[Period], float | None]) -> str:
        return line_of(kind, [(at, of(period)) for at, period in zip(x, periods, strict=True)], y)

    painted = [
        *_axes(periods, x, y, frame),
        *_specials(periods, x, frame),
        *(_band(band, periods, x, y) for band in BANDS),
        line("before", lambda of: of.last_year),
        line("sold", lambda of: of.sold),
        line("expected", lambda of: of.expected),
        line_of("planned", zip(x, _planned(periods), strict=True), y),
        *_formers(periods, x, y, outlook.lags),
        *_hover(periods, x, apart, frame, outlook),
    ]
    unit = outlook.frequency.unit
    n_ahead = sum(of.step > 0 for of in periods)
    title = f"{outlook.selection.title}: sales and forecast by {unit}"
    told = (
        f"{len(periods) - n_ahead} {unit}s sold until {day(outlook.origin)} and {n_ahead} forecast."
        " The table below has every number."
    )
    name = "wide" if frame.is_wide else "narrow"
    return picture(painted, frame, title, told, f"fan {name}")


def _planned(periods: Sequence[Period]) -> Iterator[float | None]:
    """Yield what is planned where that was changed, and beside: of one period a peak is seen."""
    changed = [of.planned != of.expected for of in periods]
    for number, of in enumerate(periods):
        yield of.planned if any(changed[max(number - 1, 0) : number + 2]) else None


def _near(outlook: Outlook) -> Sequence[Period]:
    """Return so many periods as a phone has room for."""
    season = outlook.frequency.periods(_WEEKS_OF_A_PHONE)
    return [*outlook.known[-season:], *outlook.ahead[: season // 2]]


def _values(of: Period) -> Iterator[float]:
    told = (of.sold, of.last_year, of.expected, of.planned, *of.former.values())
    ends = (of.quantiles.get(name) for _, low, high in BANDS for name in (low, high))
    return (value for value in (*told, *ends) if value is not None)


def _axes(periods: Sequence[Period], x: Sequence[float], y: Scale, frame: Frame) -> Iterator[str]:
    right, bottom = frame.width - frame.right, frame.height - frame.bottom
    for value in y.ticks():
        at = y(value)
        yield f'<path class="grid" d="M{frame.left} {at:.1f}H{right}"/>'
        yield text_of(tick(value), frame.left - 6, at + 4, "end")
    months = [number for number, of in enumerate(periods) if _begins_month(periods, number, of.end)]
    every = -(-len(months) // _MONTH_TICKS[frame.is_wide])
    for number in months[:: max(every, 1)]:
        end = periods[number].end
        label = f"{end:%b %Y}" if end.month == 1 or frame.is_wide else f"{end:%b}"
        yield f'<path class="tick" d="M{x[number]:.1f} {bottom}v4"/>'
        yield text_of(label, x[number], bottom + 17, "middle")
    ahead = next((number for number, of in enumerate(periods) if of.step), None)
    if ahead:
        at = (x[ahead - 1] + x[ahead]) / 2
        yield f'<path class="now" d="M{at:.1f} {frame.top - 6}V{bottom}"/>'
        yield text_of("forecast", at + 4, frame.top - 8)


def _begins_month(periods: Sequence[Period], number: int, end: date) -> bool:
    return number > 0 and periods[number - 1].end.month != end.month


def _specials(periods: Sequence[Period], x: Sequence[float], frame: Frame) -> Iterator[str]:
    """Mark holidays and promotions at the foot; neighbours of one name have one mark."""
    bottom = frame.height - frame.bottom
    numbered = list(enumerate(periods))
    for marks, group in groupby(numbered, lambda of: tuple(of[1].marks)):
        if marks:
            places = [number for number, _ in group]
            first, last = x[places[0]] - 2.5, x[places[-1]] + 2.5
            yield (
                f'<rect class="special" x="{first:.1f}" y="{bottom - 6:.1f}"'
                f' width="{last - first:.1f}" height="6"><title>{escape(", ".join(marks))}</title>'
                "</rect>"
            )


def _band(
    band: tuple[str, str, str], periods: Sequence[Period], x: Sequence[float], y: Scale
) -> str:
    level, low, high = band
    ends = [
        (at, of.quantiles[low], of.quantiles[high])
        for at, of in zip(x, periods, strict=True)
        if of.quantiles.get(low) is not None and of.quantiles.get(high) is not None
    ]
    if not ends:
        return ""
    upper = [f"{at:.1f} {y(top):.1f}" for at, _, top in ends if top is not None]
    lower = [f"{at:.1f} {y(foot):.1f}" for at, foot, _ in reversed(ends) if foot is not None]
    return f'<path class="band b{level}" d="M{"L".join([*upper, *lower])}Z"/>'


def _formers(
    periods: Sequence[Period], x: Sequence[float], y: Scale, lags: Sequence[int]
) -> Iterator[str]:
    """Mark what was expected before: circles of the nearer lag, squares of the further."""
    for number, lag in enumerate(lags):
        places = [
            (at, y(of.former[lag])) for at, of in zip(x, periods, strict=True) if lag in of.former
        ]
        if number:
            shapes = [f"M{at - 2.5:.1f} {to - 2.5:.1f}h5v5h-5z" for at, to in places]
        else:
            arc = f"a{_RADIUS:g} {_RADIUS:g} 0 1 0"
            both = f"{arc}{2 * _RADIUS:g} 0{arc}{-2 * _RADIUS:g} 0"
            shapes = [f"M{at - _RADIUS:.1f} {to:.1f}{both}" for at, to in places]
        if shapes:
            yield f'<path class="former f{number + 1}" d="{"".join(shapes)}"/>'


def _hover(
    periods: Sequence[Period], x: Sequence[float], apart: float, frame: Frame, outlook: Outlook
) -> Iterator[str]:
    """Lay a strip over each period that says its numbers to a mouse."""
    height = frame.height - frame.bottom - frame.top
    for at, of in zip(x, periods, strict=True):
        told = [f"{outlook.frequency.unit} {day(of.end)}", *of.marks]
        told += [
            f"{name} {money(value)}"
            for name, value in (
                ("sold", of.sold),
                ("last year", of.last_year),
                ("forecast", of.expected),
                (outlook.changed, of.planned if of.planned != of.expected else None),
            )
            if value is not None
        ]
        low, high = of.quantiles.get("lower_80"), of.quantiles.get("upper_80")
        if low is not None and high is not None:
            told.append(f"80%: {money(low)} to {money(high)}")
        yield (
            f'<rect class="over" x="{at - apart / 2:.1f}" y="{frame.top}" width="{apart:.1f}"'
            f' height="{height:.0f}"><title>{escape(chr(10).join(told))}</title></rect>'
        )
