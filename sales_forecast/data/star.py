"""The tables: one row a series, one row a series and period, and what was changed.

Takes the spec of a panel, gives tables and the columns that hold its values. Columns have names
of their own (`k1`, `s1`, `c1`), because the names in a file may be reserved words, longer than a
server takes, or differ in case alone; `views` gives the names of the file. Must not read or write
rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from sales_forecast.data.spec import PanelSpec

OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
TARGET = "target"

_METADATA = sa.MetaData()
PANEL_SPEC = sa.Table(
    "panel_spec",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("spec", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")),
)
LOADS = sa.Table(
    "loads",
    _METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("loaded_at", sa.DateTime(timezone=True)),
    sa.Column("source", sa.Text),
    sa.Column("inserted", sa.Integer),
    sa.Column("corrected", sa.Integer),
)
DIM_PERIOD = sa.Table(
    "dim_period",
    _METADATA,
    sa.Column("period", sa.Date, primary_key=True),
    sa.Column("public_holiday", sa.Double),
)
FACT_CHANGES = sa.Table(
    "fact_changes",
    _METADATA,
    sa.Column("series_id", sa.Integer),
    sa.Column("period", sa.Date),
    sa.Column("column_name", sa.Text),
    sa.Column("old_value", sa.Double),
    sa.Column("new_value", sa.Double),
    sa.Column("old_label", sa.Text),
    sa.Column("new_label", sa.Text),
    sa.Column("load_id", sa.BigInteger),
)


def keys(spec: PanelSpec) -> Mapping[str, str]:
    """Return column of `dim_series` -> column of files, for what names a series."""
    return {f"k{number}": key.column for number, key in enumerate(spec.keys, 1)}


def static(spec: PanelSpec) -> Mapping[str, str]:
    """Return column of `dim_series` -> name in a panel, for what a series is beside its keys."""
    return {f"s{number}": of.name for number, of in enumerate(spec.of_series, 1)}


def covariates(spec: PanelSpec) -> Mapping[str, str]:
    """Return column of `fact_sales` -> name in a panel, for what is known of a period."""
    return {f"c{number}": of.name for number, of in enumerate(spec.of_periods, 1)}


@cache  # of a table made anew no statement is known again: each would be compiled anew
def dim_series(spec: PanelSpec) -> sa.Table:
    """Return the table of series. Keys are texts: `views` makes numbers of them again."""
    labels = {of.name for of in spec.of_series if of.kind == "label"}
    return sa.Table(
        "dim_series",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text),
        *(sa.Column(column, sa.Text) for column in keys(spec)),
        *(
            sa.Column(column, sa.Text if name in labels else sa.Double)
            for column, name in static(spec).items()
        ),
    )


def fact_sales(spec: PanelSpec) -> sa.Table:
    """Return the table of sales and covariates; NULL is what is not known."""
    return _of_periods("fact_sales", spec)


def staged(name: str, spec: PanelSpec) -> sa.Table:
    """Return a table like `fact_sales` that lives as long as a transaction."""
    return _of_periods(
        name, spec, prefixes=["TEMPORARY"], postgresql_on_commit="DROP", sqlite_with_rowid=False
    )


def _of_periods(name: str, spec: PanelSpec, **options: Any) -> sa.Table:
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("period", sa.Date, primary_key=True),
        *(sa.Column(column, sa.Double) for column in (TARGET, *covariates(spec))),
        **OPTIONS,
        **options,
    )


def add_columns(connection: sa.Connection, spec: PanelSpec) -> None:
    """Give the tables the columns that a spec needs and they lack; no row changes."""
    for table in (dim_series(spec), fact_sales(spec)):
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD {column.name} {kind}")
