"""The tables of overrides, as the newest revision of the migrations makes them.

Gives the columns that are read and written, and a row as a value. Must not read or write rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from sales_forecast.data.ledger.tables import ID

Kind = Literal["value", "percent", "units", "undo"]
"""What an amount is: sales of each period; percent, or units, more than planned before; or none."""
Scope = Mapping[str, str]
"""Column of `dim_series` (`k1`) -> value as text; what is left out is summed over."""

_METADATA = sa.MetaData()
OVERRIDES = sa.Table(
    "overrides",
    _METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", ID),
    sa.Column(
        "made_at",
        sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
    ),
    sa.Column("made_by", sa.String(64)),
    sa.Column("scope", sa.Text),
    sa.Column("first_target", sa.Date),
    sa.Column("last_target", sa.Date),
    sa.Column("kind", sa.String(16)),
    sa.Column("amount", sa.Double),
    sa.Column("reason", sa.String(32)),
    sa.Column("note", sa.Text),
    sa.Column("undoes", ID),
    sa.Column("issue_id", sa.Integer),
    sa.Column("seen", sa.Text),
)
PLANNED_SALES = sa.Table(
    "planned_sales",
    _METADATA,
    sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Date, primary_key=True),
    sa.Column("planned", sa.Double),
)
"""What is planned of each series and period that an override is about; others as forecast.

Made of `forecasts` and `overrides` alone, anew whenever one of them grows.
"""
OVERRIDE_EFFECTS = sa.Table(
    "override_effects",
    _METADATA,
    sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Date, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("baseline_sales", sa.Double),
    sa.Column("before_sales", sa.Double),
    sa.Column("after_sales", sa.Double),
)
"""What each override makes of the forecasts of an issue: sums over all series it is about."""


@dataclass(frozen=True)
class Seen:
    """One period of an override at the moment it was made: sums over all it is about.

    `inside_80`: whether what is planned after lies in the interval of 80%; None without one.
    """

    target: date
    before: float
    after: float
    inside_80: bool | None


@dataclass(frozen=True)
class Override:
    """A row of `overrides`.

    Attributes:
        number: its place in the order in which overrides were made and apply.
        scope: which series it is about.
        first: the day that ends the first period; `last` alike.
        amount, reason: None of an undo.
        undoes: the id of the override that it takes back, in its own periods.
        issue_id: of the forecasts that it was made on.
    """

    number: int
    id: str
    made_at: datetime
    made_by: str
    scope: Scope
    first: date
    last: date
    kind: Kind
    amount: float | None
    reason: str | None
    note: str
    undoes: str | None
    issue_id: int
    seen: Sequence[Seen] = ()

    def covers(self, target: date) -> bool:
        """Say whether it is about a period."""
        return self.first <= target <= self.last

    def meets(self, scope: Scope, first: date, last: date) -> bool:
        """Say whether it may be about a series and a period of these, too."""
        apart = any(scope.get(key, value) != value for key, value in self.scope.items())
        return not apart and self.first <= last and first <= self.last
