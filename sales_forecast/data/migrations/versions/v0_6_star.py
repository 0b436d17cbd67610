"""From one table of weekly stores to a star of any panel.

Additive for one release: the tables of 0.5 stay under other names, and `weekly_sales` becomes a
view that 0.5 reads. MySQL ends a transaction with every change of tables: so each step looks at
what is there, and the next run completes one that was interrupted. As long as `weekly_sales` is a
table, it is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "v0_6_star"
down_revision = None
branch_labels = None
depends_on = None

_OPTIONS: Mapping[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_CONDITIONS = ("holiday_flag", "temperature", "fuel_price", "cpi", "unemployment")
_SPEC_OF_STORES = (
    '{"layout":"stores","keys":[{"column":"Store","kind":"number","field":"store_id"}],'
    '"frequency":"weekly","date":"Date","target":"Weekly_Sales","future":[],"past":['
    '{"name":"Holiday_Flag","column":"Holiday_Flag"},'
    '{"name":"Temperature","column":"Temperature"},'
    '{"name":"Fuel_Price","column":"Fuel_Price"},'
    '{"name":"CPI","column":"CPI"},'
    '{"name":"Unemployment","column":"Unemployment"}],'
    '"static":[],"pool":null,"country":null,"holiday":"Holiday_Flag","holiday_weight":5.0,'
    '"open":null,"missing":"unknown",'
    '"required":["Holiday_Flag","Temperature","Fuel_Price","CPI","Unemployment"]}'
)


def upgrade() -> None:
    """Make the tables, and carry over what release 0.5 stored."""
    tables = _tables()
    tables.create_all(op.get_bind())
    if _is_table("weekly_sales"):
        _add_columns()
        _copy()
        op.rename_table("weekly_sales", "weekly_sales_v05")
    if _is_table("forecasts") and not _is_table("forecasts_v05") and _is_of_v05("forecasts"):
        op.rename_table("forecasts", "forecasts_v05")


def downgrade() -> None:
    """Do nothing: release 0.5 reads the view `weekly_sales`."""


def _tables() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(
        "panel_spec",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="always 1"),
        sa.Column(
            "spec", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False
        ),
        **_OPTIONS,
    )
    sa.Table(
        "dim_series",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False, comment="the keys, joined by -"),
        **_OPTIONS,
    )
    sa.Table(
        "dim_period",
        metadata,
        sa.Column("period", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("public_holiday", sa.Double, comment="how many of its days are"),
        **_OPTIONS,
    )
    sa.Table(
        "fact_sales",
        metadata,
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("period", sa.Date, primary_key=True, comment="the day that ends the period"),
        sa.Column("target", sa.Double, comment="NULL: not known, closed, or yet to come"),
        sqlite_with_rowid=False,
        **_OPTIONS,
    )
    sa.Table(
        "fact_changes",
        metadata,
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True,
            autoincrement=True,
        ),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("period", sa.Date, comment="NULL: what the series is, in all periods"),
        sa.Column("column_name", sa.Text, nullable=False, comment="in the file"),
        sa.Column("old_value", sa.Double),
        sa.Column("new_value", sa.Double),
        sa.Column("old_label", sa.Text),
        sa.Column("new_label", sa.Text),
        sa.Column("load_id", sa.BigInteger, nullable=False),
        **_OPTIONS,
    )  # fmt: skip
    sa.Table(
        "loads",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False, comment="UTC"),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("inserted", sa.Integer, nullable=False),
        sa.Column("corrected", sa.Integer, nullable=False),
        **_OPTIONS,
    )
    return metadata


def _is_table(name: str) -> bool:
    return name in sa.inspect(op.get_bind()).get_table_names()


def _is_of_v05(name: str) -> bool:
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(name)}
    return {"origin", "store", "week", "lower_80"} <= columns


def _add_columns() -> None:
    wanted = {"dim_series": {"k1": sa.Text}} | {
        "fact_sales": {f"c{number}": sa.Double for number, _ in enumerate(_CONDITIONS, 1)}
    }
    for table, columns in wanted.items():
        there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        for name, kind in columns.items():
            if name not in there:
                op.add_column(table, sa.Column(name, kind))


def _copy() -> None:
    """Fill the new tables with what the old one holds now, whatever an earlier run left there."""
    for table in ("fact_sales", "dim_series", "panel_spec"):
        op.execute(f"DELETE FROM {table}")  # noqa: S608
    text = "CHAR" if op.get_bind().dialect.name in {"mysql", "mariadb"} else "TEXT"
    number = f"CAST(store AS {text})"
    op.execute(
        f"INSERT INTO dim_series (id, name, k1) SELECT store, {number}, {number}"  # noqa: S608
        " FROM weekly_sales GROUP BY store"
    )
    columns = ", ".join(f"c{number}" for number, _ in enumerate(_CONDITIONS, 1))
    op.execute(
        f"INSERT INTO fact_sales (series_id, period, target, {columns})"  # noqa: S608
        f" SELECT store, week, sales, {', '.join(_CONDITIONS)} FROM weekly_sales"
    )
    spec = sa.table("panel_spec", sa.column("id"), sa.column("spec"))
    rows = op.get_bind().scalar(sa.text("SELECT COUNT(*) FROM fact_sales"))
    if rows:
        op.get_bind().execute(sa.insert(spec), {"id": 1, "spec": _SPEC_OF_STORES})
