"""A day as callers write it: DD-MM-YYYY or YYYY-MM-DD, never month first.

Takes text, gives a date, or when it is over, or refuses it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_DAY_FIRST = "(0[1-9]|[12][0-9]|3[01])-(0[1-9]|1[0-2])-([0-9]{4})"
_YEAR_FIRST = "([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DAY = re.compile(f"{_DAY_FIRST}|{_YEAR_FIRST}")


def parse_day(value: object) -> date:
    """Read DD-MM-YYYY or YYYY-MM-DD and nothing else; never guesses month first.

    Raises PydanticCustomError, which pydantic reports beside the name of the field.
    """
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match:
        day, month, year = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            pass  # such as 31-02-2012: falls through to the same answer
    raise PydanticCustomError(
        "day", "must be a real day written DD-MM-YYYY or YYYY-MM-DD, such as 03-11-2012"
    )


def end_of(day: date) -> datetime:
    """Return when a day is over in UTC; of the last that can be written, its last moment."""
    if day == date.max:
        return datetime.combine(day, time.max, UTC)
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _still_written(text: str) -> str:
    parse_day(text)
    return text


_Text = WithJsonSchema({"type": "string", "pattern": f"^({_DAY_FIRST}|{_YEAR_FIRST})$"})
Day = Annotated[date, BeforeValidator(parse_day), _Text]
WrittenDay = Annotated[str, AfterValidator(_still_written), _Text]
"""A day as it was written, so that one which is written twice is still there twice."""
EndOfDay = Annotated[datetime, BeforeValidator(lambda value: end_of(parse_day(value))), _Text]
