"""Cron expressions, checked part by part as EventBridge takes them.

Takes a text such as "cron(0 6 ? * MON *)", gives it back, or says which part is wrong and why.
"""

from __future__ import annotations

import re

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
