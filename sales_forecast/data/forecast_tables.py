"""The tables of what was forecast, as the newest revision of the migrations makes them.

Gives the columns that are read and written, and the order of what was issued. Must not read or
write rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

QUANTILES: Mapping[str, float] = {
    "lower_95": 0.025,
    "lower_80": 0.1,
    **{f"q{tenths}0": tenths / 10 for tenths in range(2, 9)},
    "upper_80": 0.9,
    "upper_95": 0.975,
}
"""Column -> quantile; the ends of an interval of 80% are the first and the last decile."""

_METADATA = sa.MetaData()
FORECAST_ISSUES = sa.Table(
    "forecast_issues",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("origin", sa.Date),
    sa.Column("issued_at", sa.DateTime(timezone=True)),
    sa.Column("role", sa.String(16)),
    sa.Column("model", sa.String(64)),
    sa.Column("model_version", sa.String(64)),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("horizon", sa.Integer),
    sa.Column("sums", sa.Text),
    sa.Column("warnings", sa.Text),
)
VALUES = ("sales", *QUANTILES)
FORECASTS = sa.Table(
    "forecasts",
    _METADATA,
    sa.Column("issue_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Date, primary_key=True),
    sa.Column("step", sa.Integer),
    *(sa.Column(name, sa.Double) for name in VALUES),
)


def newest_first(*columns: sa.Column[Any]) -> sa.Select[Any]:
    """Return a query of columns of `forecast_issues`: what best models issued, the newest first."""
    of = FORECAST_ISSUES.c
    return sa.select(*columns).where(of.role == "best").order_by(of.origin.desc(), of.id.desc())


def newest_of_origins(role: str, most: int) -> sa.Select[Any]:
    """Return a query of the newest origins, newest first: each with the `id` issued last of it."""
    of = FORECAST_ISSUES.c
    query = sa.select(of.origin, sa.func.max(of.id)).where(of.role == role)
    return query.group_by(of.origin).order_by(of.origin.desc()).limit(most)


def cents_of(sales: sa.ColumnElement[float]) -> sa.Function[float]:
    """Return what adds sales up in cents: whole numbers, exact in any order."""
    return sa.func.sum(sa.func.round(sales * 100))


STAGED = sa.Table(
    "staged_forecasts",
    _METADATA,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Date, primary_key=True),
    *(sa.Column(name, sa.Double) for name in ("step", *VALUES)),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
    sqlite_with_rowid=False,
)
