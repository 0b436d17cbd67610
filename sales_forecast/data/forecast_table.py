"""Forecasts in the database, for whoever plans with SQL.

Takes rows of one origin, gives a table that holds them beside those of earlier origins. One
transaction, one writer at a time, readers never wait for it. Must not know models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

import sqlalchemy as sa

from sales_forecast.data.database_server import Server, lock_writers

_METADATA = sa.MetaData()
_FORECASTS = sa.Table(
    "forecasts",
    _METADATA,
    sa.Column("origin", sa.Date, primary_key=True, comment="the last week that was known"),
    sa.Column("store", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("week", sa.Date, primary_key=True, comment="the day that ends the week"),
    sa.Column("sales", sa.Double, nullable=False),
    *(sa.Column(f"{end}_{level}", sa.Double) for level in (80, 95) for end in ("lower", "upper")),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("warnings", sa.Text, nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)


@dataclass(frozen=True)
class ForecastRow:
    """One week of one store, in units of sales; None where no interval has been measured."""

    origin: date
    store: int
    week: date
    sales: float
    lower_80: float | None
    upper_80: float | None
    lower_95: float | None
    upper_95: float | None
    model: str
    model_version: str
    warnings: str


class ForecastTable:
    """The table `forecasts`. Connects at the first call."""

    def __init__(self, url: str) -> None:
        """Take a URL as in the setting DATABASE_URL. Raises SettingsError for another form."""
        self._server = Server(url)

    def close(self) -> None:
        """Close the idle connections."""
        self._server.close()

    def replace(self, origin: date, rows: Sequence[ForecastRow]) -> None:
        """Write the forecasts made at an origin in place of those written before: all or nothing.

        Those of other origins stay: they are what was expected then. Raises DatabaseError.
        """
        with self._server.connection() as connection:
            lock_writers(connection)
            _METADATA.create_all(connection)
            connection.execute(sa.delete(_FORECASTS).where(_FORECASTS.c.origin == origin))
            if rows:
                connection.execute(sa.insert(_FORECASTS), [asdict(row) for row in rows])
            connection.commit()
