"""Cron expressions, checked part by part as EventBridge takes them.

Takes a text such as "cron(0 6 ? * MON *)", gives it back, or says which part is wrong and why.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_FIELD = r"(\?|L|LW|(\*|[0-9A-Za-z]+)([-/#,][0-9A-Za-z]+)*[LW]?)"
_CRON = re.compile(rf"^cron\({_FIELD}( {_FIELD}){{5}}\)$")
_PARTS = ("minute", "hour", "day of month", "month", "day of week", "year")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_WORDS: tuple[tuple[str, ...], ...] = ((), (), ("L", "W", "LW"), _MONTHS, (*_DAYS, "L"), ())
_DAY_PARTS = (2, 4)


def checked(text: str) -> str:
    """Return the text. Raises ValueError if it is no cron expression, with what is allowed."""
    if not _CRON.match(text):
        raise ValueError(f"{text} is not cron({' '.join(_PARTS)}): cron(0 6 ? * MON *)")
    parts = text.removeprefix("cron(").removesuffix(")").split()
    for index, (part, name) in enumerate(zip(parts, _PARTS, strict=True)):
        low, high = _RANGES[index]
        for number in map(int, re.findall(r"(?<![/#\d])\d+", part)):
            if not low <= number <= high:
                raise ValueError(f"{text}: {name} {number} is not {low} to {high}")
        for word in re.findall(r"[A-Za-z]+", part):
            if word not in _WORDS[index]:
                allowed = ", ".join((f"{low} to {high}", *_WORDS[index]))
                raise ValueError(f"{text}: {name} {word} is not one of {allowed}")
        if part == "?" and index not in _DAY_PARTS:
            raise ValueError(f"{text}: {name} cannot be ?, only one of the days can")
    if (parts[2] == "?") == (parts[4] == "?"):
        raise ValueError(f"{text}: exactly one of day of month and day of week must be ?")
    return text


def runs_a_month(text: str) -> float:
    """Return how often it comes on average, counted over four years from now on.

    A part with L, W or # in it is one day of its month.
    """
    minute, hour, of_month, month, of_week, _ = text.removeprefix("cron(").removesuffix(")").split()
    today = date.today()  # noqa: DTZ011 - any day will do
    days = [today + timedelta(days=number) for number in range(4 * 365 + 1)]
    months = _numbers(month, 3)
    if re.search(r"[LW#]", of_month) or re.search(r"L|#", of_week):
        fitting = 4.0 * len(months)
    else:
        dates, weekdays = _numbers(of_month, 2), _numbers(of_week, 4)
        fitting = sum(
            day.month in months and day.day in dates and day.isoweekday() % 7 + 1 in weekdays
            for day in days
        )
    return fitting / 48 * len(_numbers(minute, 0)) * len(_numbers(hour, 1))


def _numbers(part: str, index: int) -> set[int]:
    """Return all that a part stands for: "8-10" is 8, 9 and 10."""
    low, high = _RANGES[index]
    words = {word: number for number, word in enumerate(_WORDS[index], start=1)}

    def number(word: str) -> int:
        return words.get(word) or int(word)

    found: set[int] = set()
    for item in part.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first in {"*", "?"}:
            begin, end = low, high
        else:
            begin = number(first)
            end = number(last) if last else high if step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return found
