"""What facts are told apart by: the rows of `dim_series` and `dim_period`.

Takes a panel, gives the `id` of each of its series and writes those that are new; reads both tables
back. A static feature that a later file tells otherwise is corrected, and kept in `fact_changes`.
Must not begin or end a transaction, and must not know sales.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import star
from sales_forecast.data.facts import Series
from sales_forecast.data.panel import Array, Days, Labels, Panel
from sales_forecast.data.series_names import joined
from sales_forecast.data.spec import PUBLIC_HOLIDAY, PanelSpec


def in_kinds_of(panel: Panel, stored: PanelSpec) -> Panel:
    """Return a panel with texts where `stored` has texts and a file had only numbers."""
    assert panel.spec is not None  # noqa: S101 - whoever writes has seen to it
    spec = panel.spec.read_as(stored)
    texts = {key.column for key in spec.keys if key.kind == "text"}
    labels = {of.name for of in spec.static if of.kind == "label"}
    traits = {
        name: values.astype(str) if name in labels else values
        for name, values in panel.traits.items()
    }
    keys = {
        column: values.astype(str) if column in texts else values
        for column, values in panel.keys.items()
    }
    return replace(panel, keys=keys, traits=traits, spec=spec.describing(traits))


def next_id(connection: sa.Connection) -> int:
    """Return the `id` of the next series: one that no change that was kept speaks of."""
    of_series, of_changes = sa.table("dim_series", sa.column("id")), star.FACT_CHANGES.c.series_id
    newest = (connection.scalar(sa.select(sa.func.max(of))) for of in (of_series.c.id, of_changes))
    return max(of or 0 for of in newest) + 1


def write_series(
    connection: sa.Connection, panel: Panel, spec: PanelSpec, first_id: int, load_id: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the `id` of each series of a panel, int64[n_series], and how many rows were written.

    `first_id`: that of the first series that is new. `spec`: that of what is stored.
    """
    table = star.dim_series(spec)
    k, s = star.keys(spec), star.static(spec)
    stored = {tuple(row[2 : 2 + len(k)]): row for row in connection.execute(sa.select(table))}
    texts = [panel.keys[column].astype(str).tolist() for column in k.values()]
    static = [panel.traits[name].tolist() for name in s.values()]
    of_keys = list(zip(*texts, strict=True)) if texts else [()] * panel.n_series
    of_static = list(zip(*static, strict=True)) if static else [()] * len(of_keys)
    new: list[dict[str, object]] = []
    ids, changed = [], 0
    for name, parts, values in zip(panel.series, of_keys, of_static, strict=True):
        if (row := stored.get(parts)) is None:
            ids.append(first_id + len(new))
            columns = zip((*k, *s), (*parts, *values), strict=True)
            new.append({"id": ids[-1], "name": name, **dict(columns)})
            continue
        ids.append(row.id)
        if values != tuple(row[2 + len(k) :]):
            changed += 1
            _correct(connection, spec, row, dict(zip(s, values, strict=True)), load_id)
    if new:
        connection.execute(sa.insert(table), new)
        _rename(connection, spec)
    return np.array(ids, dtype=np.int64), len(new) + changed


def _rename(connection: sa.Connection, spec: PanelSpec) -> None:
    """Name all series anew where a new one would have the name of another."""
    table = star.dim_series(spec)
    rows = connection.execute(
        sa.select(table.c.id, table.c.name, *(table.c[k] for k in star.keys(spec)))
    )
    ids, names, *keys = zip(*rows, strict=True)
    for number, old, new in zip(ids, names, joined([*map(np.array, keys)]), strict=True):
        if new != old:
            connection.execute(sa.update(table).where(table.c.id == number).values(name=new))


def _correct(
    connection: sa.Connection,
    spec: PanelSpec,
    row: sa.Row[tuple[object, ...]],
    values: Mapping[str, object],
    load_id: int,
) -> None:
    table = star.dim_series(spec)
    of_name = {of.name: of for of in spec.of_series}
    for column, name in star.static(spec).items():
        old, new = row._mapping[column], values[column]  # noqa: SLF001 - documented by SQLAlchemy
        if old != new:
            form = "label" if of_name[name].kind == "label" else "value"
            change = {
                "series_id": row.id,
                "column_name": of_name[name].column,
                f"old_{form}": old,
                f"new_{form}": new,
                "load_id": load_id,
            }
            connection.execute(sa.insert(star.FACT_CHANGES), change)
    connection.execute(sa.update(table).where(table.c.id == row.id).values(dict(values)))


def read_series(connection: sa.Connection, spec: PanelSpec) -> Series:
    """Return all series that are stored."""
    ids, _, *columns = zip(*connection.execute(sa.select(star.dim_series(spec))), strict=True)
    kinds = {key.column: np.int64 if key.kind == "number" else np.str_ for key in spec.keys}
    names = [*star.keys(spec).values(), *star.static(spec).values()]
    arrays: dict[str, Labels] = {
        name: np.array(values) for name, values in zip(names, columns, strict=True)
    }
    return Series(
        np.array(ids, dtype=np.int64),
        {name: arrays[name].astype(kinds[name]) for name in star.keys(spec).values()},
        {name: arrays[name] for name in star.static(spec).values()},
    )


def ids_of(connection: sa.Connection, panel: Panel) -> npt.NDArray[np.int64] | None:
    """Return the `id` of each series of a panel, int64[n_series]; None where another is stored."""
    stored = connection.scalar(sa.select(star.PANEL_SPEC.c.spec))
    if stored is None or panel.spec is None:
        return None
    if PanelSpec.model_validate_json(stored) != panel.spec:
        return None
    series = read_series(connection, panel.spec)
    of_name = dict(zip(joined([*series.keys.values()]), series.ids.tolist(), strict=True))
    if not of_name.keys() >= set(panel.series):
        return None
    return np.array([of_name[name] for name in panel.series], dtype=np.int64)


def write_holidays(connection: sa.Connection, panel: Panel) -> int:
    """Write the public holidays of periods, alike for all series; return how many are new."""
    assert panel.spec is not None  # noqa: S101 - whoever writes has seen to it
    if not panel.spec.country:
        return 0
    values = panel.plan[PUBLIC_HOLIDAY][0]
    steps = np.arange(len(values)) * np.timedelta64(panel.frequency.days, "D")
    days = (panel.periods[0] + steps).tolist()
    known = dict(zip(*(of.tolist() for of in read_holidays(connection)), strict=True))
    told = dict(zip(days, values.tolist(), strict=True))
    changed = {day: value for day, value in told.items() if known.get(day) != value}
    table = star.DIM_PERIOD
    if again := [day for day in changed if day in known]:
        connection.execute(sa.delete(table).where(table.c.period.in_(again)))
    rows = [{"period": day, "public_holiday": value} for day, value in changed.items()]
    if rows:
        connection.execute(sa.insert(table), rows)
    return len(rows)


def read_holidays(connection: sa.Connection) -> tuple[Days, Array]:
    """Return datetime64[D][n] periods, and float64[n] public holidays in each."""
    found = connection.execute(sa.select(star.DIM_PERIOD)).all()
    return (
        np.array([row.period for row in found], dtype="datetime64[D]"),
        np.array([row.public_holiday for row in found], dtype=np.float64),
    )
