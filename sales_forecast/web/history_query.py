"""What may be asked of the history of answers: the query of its page, and the moments in it.

Takes pairs and texts, gives values. Must not read answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from sales_forecast.data.ledger.stored_predictions import PageWish
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import InvalidRequest, brief
from sales_forecast.service.days import end_of
from sales_forecast.service.predictions import moment_of, predictions_query
from sales_forecast.service.queries import NO_NUL, optional

HISTORY = "/history"
_DAY = len("2026-11-26")


def _end(value: object) -> datetime:
    """Return until when: the end of a day, or a moment."""
    found = moment_of(value)
    return end_of(found.date()) if len(str(value)) == _DAY else found


_Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]


@cache
def history_query(spec: PanelSpec) -> type[BaseModel]:
    """Return the form of a query of this page: that of the API, and what people filter by."""
    made: type[BaseModel] = create_model(
        "HistoryQuery",
        __base__=predictions_query(spec),
        until=optional(Annotated[datetime, BeforeValidator(_end)], "until", "Until that day."),
        endpoint=optional(Literal["/predict_sales", "/forecast_sales"], "endpoint", "What."),
        answered_by=optional(_Name, "answered_by", "The model."),
        caller=optional(_Name, "caller", "Whose."),
        cleared=optional(Literal["shown"], "cleared", "Show what was cleared, too."),
    )
    return made


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        filters: what its form says, without what was left empty and where a page begins.
        hidden_until: what is older is hidden; None: nothing is.
        shows_hidden: whether it wants to see that, too.
    """

    wish: PageWish
    filters: Mapping[str, str]
    hidden_until: datetime | None
    shows_hidden: bool

    def link(self, path: str = HISTORY, **more: str) -> str:
        """Return where the same is asked for, and more."""
        query = urlencode({**self.filters, **more})
        return f"{path}?{query}" if query else path


def local_moment(text: str) -> datetime:
    """Return a moment as a field of a browser gives it, which is to be in UTC.

    Raises InvalidRequest for another text, and for what is still to come.
    """
    try:
        found = moment_of(text if len(text) == _DAY else f"{text}Z")
    except PydanticCustomError:
        raise InvalidRequest(
            f"Say up to when, such as 2026-11-26T20:00:00, not {brief(text)}.", {"up_to": text}
        ) from None
    if found > datetime.now(UTC):
        raise InvalidRequest(
            f"{text} UTC is still to come: only what was answered can be hidden.", {"up_to": text}
        )
    return found
