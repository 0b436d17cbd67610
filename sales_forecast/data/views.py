"""The views by which people read the tables, with the names of their files.

Takes the spec of what is stored, gives `vw_sales_analytics`, `forecasts_newest`, and `weekly_sales`
where the series are weekly stores: that is what releases before 0.6 read. Must not change a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.spec import PUBLIC_HOLIDAY, PanelSpec

ANALYTICS, WEEKLY_SALES = "vw_sales_analytics", "weekly_sales"
NEWEST = "forecasts_newest"
_LONGEST = 63  # bytes; PostgreSQL cuts what is longer, MySQL refuses more than 64 characters
_FORECASTS = (
    "forecast_issues i JOIN forecasts f ON f.issue_id = i.id"
    " JOIN dim_series s ON s.id = f.series_id LEFT JOIN planned_sales p"
    " ON p.issue_id = f.issue_id AND p.series_id = f.series_id AND p.target = f.target"
)
_INTEGER = {"mysql": "SIGNED", "mariadb": "SIGNED"}


def renew(connection: sa.Connection, spec: PanelSpec) -> None:
    """Make the views of a spec, in place of those of another."""
    for name in (ANALYTICS, WEEKLY_SALES, NEWEST):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    connection.exec_driver_sql(f"CREATE VIEW {ANALYTICS} AS {_analytics(connection, spec)}")
    connection.exec_driver_sql(f"CREATE VIEW {NEWEST} AS {_newest(connection, spec)}")
    if spec.layout == "stores":
        query = _weekly_sales(connection, spec)
        connection.exec_driver_sql(f"CREATE VIEW {WEEKLY_SALES} AS {query}")


def are_of(connection: sa.Connection, spec: PanelSpec) -> bool:
    """Say whether the views are there, with the columns of a spec."""
    inspector = sa.inspect(connection)
    there = set(inspector.get_view_names())
    if not {ANALYTICS, NEWEST} <= there or (WEEKLY_SALES in there) != (spec.layout == "stores"):
        return False
    wanted = {ANALYTICS: _columns(connection, spec), NEWEST: _of_newest(connection, spec)}
    return all(
        [column["name"] for column in inspector.get_columns(view)] == unique(columns.values())
        for view, columns in wanted.items()
    )


def unique(names: Iterable[str]) -> list[str]:
    """Return names of columns that every server can tell apart, as near to those given as can be.

    They are cut to 63 bytes; of those that differ in case alone, or not at all, later ones get a
    number: `Promo`, `promo_2`.
    """
    found: list[str] = []
    taken: set[str] = set()
    for given in names:
        # Zero bytes and characters beyond the first plane are not taken by all.
        name = "".join("?" if sign > "\uffff" or sign == "\0" else sign for sign in given)
        number, shown = 1, _cut(name, _LONGEST)
        while shown.casefold() in taken:
            number += 1
            end = f"_{number}"
            shown = _cut(name, _LONGEST - len(end)) + end
        taken.add(shown.casefold())
        found.append(shown)
    return found


def _cut(name: str, longest: int) -> str:
    return name.encode()[:longest].decode(errors="ignore").rstrip() or "_"


def _columns(connection: sa.Connection, spec: PanelSpec) -> dict[str, str]:
    """Return expression -> name in files."""
    of_static = {of.name: of.column for of in spec.of_series}
    of_period = {of.name: of.column for of in spec.of_periods}
    by_calendar = {"p.public_holiday": PUBLIC_HOLIDAY} if spec.country else {}
    return {
        **{_key(connection, spec, k): name for k, name in star.keys(spec).items()},
        **{f"s.{column}": of_static[name] for column, name in star.static(spec).items()},
        "f.period": spec.date,
        f"f.{star.TARGET}": spec.target,
        **{f"f.{column}": of_period[name] for column, name in star.covariates(spec).items()},
        **by_calendar,
    }


def _analytics(connection: sa.Connection, spec: PanelSpec) -> str:
    joins = "JOIN dim_series s ON s.id = f.series_id"
    if spec.country:
        joins += " LEFT JOIN dim_period p ON p.period = f.period"
    shown = _shown(connection, _columns(connection, spec))
    return f"SELECT {shown} FROM fact_sales f {joins}"  # noqa: S608 - quoted


def _shown(connection: sa.Connection, columns: Mapping[str, str]) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    named = zip(columns, map(quote, unique(columns.values())), strict=True)
    return ", ".join(f"{expression} AS {name}" for expression, name in named)


def _of_newest(connection: sa.Connection, spec: PanelSpec) -> dict[str, str]:
    return {
        **{_key(connection, spec, k): name for k, name in star.keys(spec).items()},
        **{f"f.{name}": name for name in ("target", "step", "sales")},
        "COALESCE(p.planned, f.sales)": "planned",
        **{f"f.{name}": name for name in QUANTILES},
        **{f"i.{name}": name for name in ("origin", "model", "model_version", "issued_at")},
    }


def _newest(connection: sa.Connection, spec: PanelSpec) -> str:
    """Return what the best model said last of each series and period."""
    return (
        f"SELECT {_shown(connection, _of_newest(connection, spec))}"  # noqa: S608 - quoted
        f" FROM {_FORECASTS}"
        " WHERE i.role = 'best' AND NOT EXISTS ("
        "SELECT 1 FROM forecast_issues j JOIN forecasts g ON g.issue_id = j.id"
        " WHERE j.role = 'best' AND j.origin >= i.origin AND (j.origin > i.origin OR j.id > i.id)"
        " AND g.series_id = f.series_id AND g.target = f.target)"
    )


def of_issue(connection: sa.Connection, spec: PanelSpec) -> str:
    """Return a query of all forecasts of one issue, `:issue`, in the columns of the view."""
    return (
        f"SELECT {_shown(connection, _of_newest(connection, spec))}"  # noqa: S608 - quoted
        f" FROM {_FORECASTS}"
        " WHERE i.id = :issue ORDER BY f.series_id, f.step"
    )


def _weekly_sales(connection: sa.Connection, spec: PanelSpec) -> str:
    columns = {
        _key(connection, spec, "k1"): "store",
        "f.period": "week",
        f"f.{star.TARGET}": "sales",
        **{f"f.{column}": name.lower() for column, name in star.covariates(spec).items()},
    }
    shown = ", ".join(f"{expression} AS {name}" for expression, name in columns.items())
    return (
        f"SELECT {shown} FROM fact_sales f JOIN dim_series s ON s.id = f.series_id"  # noqa: S608
        f" WHERE f.{star.TARGET} IS NOT NULL"
    )


def _key(connection: sa.Connection, spec: PanelSpec, column: str) -> str:
    if spec.keys[int(column[1:]) - 1].kind == "text":
        return f"s.{column}"
    return f"CAST(s.{column} AS {_INTEGER.get(connection.dialect.name, 'INTEGER')})"
