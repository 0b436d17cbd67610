"""The newest forecasts as lines of a CSV file, with the key names of the files that were loaded.

Takes a database, gives all that the best model said last of every series, in the columns of the
view `forecasts_newest`. Must not write files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sales_forecast.data import star, views
from sales_forecast.data.database_server import Server, read_at_one_moment
from sales_forecast.data.forecast_tables import FORECAST_ISSUES, newest_first
from sales_forecast.data.forecasts.stored_forecasts import none_yet
from sales_forecast.data.inert import inert
from sales_forecast.data.moments import in_utc
from sales_forecast.data.spec import PanelSpec

_ROWS_AT_ONCE = 5_000
_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "target": sa.Date(),
    "origin": sa.Date(),
    "issued_at": sa.DateTime(timezone=True),
}


@contextmanager
def newest_rows(
    url: str,
) -> Iterator[tuple[Sequence[str], Iterator[Sequence[Sequence[object]]]]]:
    """Give the names of columns, and rows in pieces. The tables must be up to date.

    Raises NoForecasts where nothing was forecast yet, DatabaseError.
    """
    with closing(Server(url)) as server, server.connection() as connection:
        read_at_one_moment(connection)
        issue = connection.scalar(newest_first(FORECAST_ISSUES.c.id).limit(1))
        spec = connection.scalar(sa.select(star.PANEL_SPEC.c.spec))
        if issue is None or spec is None:
            raise none_yet()
        query = views.of_issue(connection, PanelSpec.model_validate_json(spec))
        # A colon in the name of a key would be taken for a parameter.
        text = sa.text(query.replace(":", r"\:").replace(r"\:issue", ":issue"))
        streamed = connection.execution_options(yield_per=_ROWS_AT_ONCE)
        found = streamed.execute(text.columns(**_TYPES), {"issue": issue})
        yield [*found.keys()], found.partitions()


@contextmanager
def newest_forecasts(url: str, *, for_spreadsheets: bool = False) -> Iterator[Iterator[str]]:
    """Give the file in pieces, header first. As `newest_rows`.

    `for_spreadsheets`: names that could be formulas are made inert.
    """
    with newest_rows(url) as (names, pieces):
        yield _lines(names, pieces, inert if for_spreadsheets else _as_it_is)


def _lines(
    names: Sequence[str],
    pieces: Iterator[Sequence[Sequence[object]]],
    shown: Callable[[object], object],
) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(shown, names))
    for rows in pieces:
        writer.writerows([shown(_plain(value)) for value in row] for row in rows)
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _as_it_is(cell: object) -> object:
    return cell


def _plain(value: object) -> object:
    return in_utc(value).isoformat() if isinstance(value, datetime) else value
