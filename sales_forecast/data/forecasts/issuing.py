"""Forecasts that were issued: one row an issue, one row a series and period, never changed.

Takes what models expect of the series of a panel, gives tables that only grow. What equals the
newest issue of its origin is not written again; of old origins only the near steps are kept. One
transaction, one writer at a time, readers never wait. Must not know models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import bulk, dimensions
from sales_forecast.data.facts import Facts
from sales_forecast.data.forecast_tables import (
    FORECAST_ISSUES,
    FORECASTS,
    QUANTILES,
    STAGED,
)
from sales_forecast.data.forecasts.issue_rows import KnownIssue
from sales_forecast.data.forecasts.plan_rows import PlanRows
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.tables import Tables
from sales_forecast.errors import NotReady

Role = Literal["best", "baseline", "covariates", "corrected_sales", "new_sales"]
"""Those after the first two were never issued: see `Issue.changes`."""
_ISSUED = frozenset({"best", "baseline"})
_BLOCK = 200_000
"""Rows that are written at once: few enough for a server to answer within seconds."""
_SERIES_AT_ONCE = 2_000
_KEPT = timedelta(weeks=13)
"""So far ahead forecasts of old origins are kept."""
_OLD = timedelta(weeks=26)
"""Origins so much older than the newest one are old. The trigger of SQLite has both numbers."""


@dataclass(frozen=True, eq=False)
class Issue:
    """What one model expects of all series of a panel.

    Attributes:
        mean: float64[n_series, horizon]; NaN where nothing is expected.
        quantiles: name in `QUANTILES` -> as `mean`; NaN where nothing is promised.
        sums: JSON, what was measured of sums by their level.
        note: what is to be said of all forecasts.
        cautions: name of a series -> what is to be said of its forecasts.
        changes: JSON of the best model's issue: `since`, the id of the one before; `causes`, what
            changed since, in the order in which it was changed; `notes`. After each cause but the
            last stands what would have been forecast then, in an issue whose role is that cause.
    """

    role: Role
    model: str
    model_version: str
    mean: Array
    quantiles: Mapping[str, Array]
    sums: str = "{}"
    note: str = ""
    cautions: Mapping[str, str] | None = None
    changes: Mapping[str, object] | None = None

    @property
    def horizon(self) -> int:
        """How many periods ahead it reaches."""
        return self.mean.shape[1]


@dataclass(frozen=True)
class Written:
    """Rows that were written, none where the newest issues are equal; rows that were thinned."""

    forecasts: int
    thinned: int


class ForecastTable(Tables):
    """The tables `forecast_issues` and `forecasts`, for whoever writes."""

    def is_issued(self, panel: Panel, model_version: str, horizon: int) -> bool:
        """Say whether the newest issue after a panel is by a model, of equal sales and length."""
        with self._server.connection() as connection:
            return _is_issued(connection, panel, model_version, horizon)

    def write(
        self,
        panel: Panel,
        issues: Sequence[Issue],
        issued_at: datetime,
        then: Callable[[PlanRows, KnownIssue], None] | None = None,
    ) -> Written:
        """Add the issues of one run, all of one model version and horizon: all of them or nothing.

        Old origins are thinned in the same transaction, and `then` is done in it with the newest
        issue of the best model, so that no reader finds forecasts without their plan. Raises
        NotReady where the stored series are not those of the panel any more.
        """
        with self._server.writing() as connection:
            first = issues[0]
            if _is_issued(connection, panel, first.model_version, first.horizon):
                return Written(0, 0)
            ids = _ids(connection, panel)
            newest = connection.scalar(sa.select(sa.func.max(FORECAST_ISSUES.c.id))) or 0
            written = 0
            connection.execute(sa.schema.CreateTable(STAGED))
            for number, issue in enumerate(issues, newest + 1):
                row = _row(number, panel, issue, ids, issued_at)
                connection.execute(sa.insert(FORECAST_ISSUES), row)
                added = _add(connection, number, _blocks(panel, issue, ids))
                written += added if issue.role in _ISSUED else 0
            if connection.dialect.name == "sqlite":  # others drop it with the transaction
                connection.execute(sa.schema.DropTable(STAGED))
            thinned = _thin(connection)
            if then is not None and panel.spec is not None:
                rows = PlanRows(connection, panel.spec)
                then(rows, rows.issues.newest())
            connection.commit()
        return Written(written, thinned)


def _is_issued(connection: sa.Connection, panel: Panel, model_version: str, horizon: int) -> bool:
    of = FORECAST_ISSUES.c
    newest = (
        sa.select(of.model_version, of.fingerprint, of.horizon)
        .where(of.role == "best", of.origin == panel.last)
        .order_by(of.id.desc())
        .limit(1)
    )
    found = connection.execute(newest).one_or_none()
    return found is not None and tuple(found) == (model_version, panel.fingerprint, horizon)


def _ids(connection: sa.Connection, panel: Panel) -> npt.NDArray[np.int64]:
    """Return the `id` of each series of a panel, int64[n_series]."""
    if panel.spec is None:
        raise ValueError("only forecasts of a panel with a spec can be stored")
    ids = dimensions.ids_of(connection, panel)
    if ids is None:
        raise NotReady("The stored series changed meanwhile. Run python train.py forecast again.")
    return ids


def _row(
    number: int, panel: Panel, issue: Issue, ids: npt.NDArray[np.int64], issued_at: datetime
) -> dict[str, object]:
    said = {str(ids[panel.positions[name]]): text for name, text in (issue.cautions or {}).items()}
    return {
        "id": number,
        "origin": panel.last,
        "issued_at": issued_at.replace(microsecond=0),  # MySQL keeps no more
        "role": issue.role,
        "model": issue.model,
        "model_version": issue.model_version,
        "fingerprint": panel.fingerprint,
        "horizon": issue.horizon,
        "sums": issue.sums,
        "warnings": json.dumps(
            {"note": issue.note, "series": said}
            | ({} if issue.changes is None else {"changes": issue.changes})
        ),
    }


def _blocks(panel: Panel, issue: Issue, ids: npt.NDArray[np.int64]) -> Iterator[Facts]:
    days = panel.after(issue.horizon)
    tables = [issue.mean, *(issue.quantiles[name] for name in QUANTILES)]
    size = max(_BLOCK // issue.horizon, 1)
    for start in range(0, panel.n_series, size):
        part = [np.round(table[start : start + size], 2) for table in tables]
        row, column = np.nonzero(~np.isnan(part[0]))
        values = [(column + 1).astype(np.float64), *(table[row, column] for table in part)]
        yield Facts(ids[start : start + size][row], days[column], values)


def _add(connection: sa.Connection, number: int, blocks: Iterator[Facts]) -> int:
    columns = [FORECASTS.c[column.name] for column in STAGED.columns]
    staged = sa.select(sa.literal(number, sa.Integer), *STAGED.columns)
    added = 0
    for block in blocks:
        bulk.insert(connection, STAGED, block)
        rows = sa.insert(FORECASTS).from_select([FORECASTS.c.issue_id, *columns], staged)
        connection.execute(rows)
        connection.execute(sa.delete(STAGED))
        added += len(block)
    return added


def is_kept(origin: date, target: date, newest: date) -> bool:
    """Say whether a period that was forecast is still stored, `newest` being the newest origin."""
    return origin >= newest - _OLD or target <= origin + _KEPT


def _thin(connection: sa.Connection) -> int:
    """Delete the far steps of old origins; return how many rows that were."""
    of, row = FORECAST_ISSUES.c, FORECASTS.c
    newest: date | None = connection.scalar(sa.select(sa.func.max(of.origin)))
    if newest is None:
        return 0
    old = sa.select(of.id, of.origin).where(of.origin < newest - _OLD).order_by(of.id)
    thinned = 0
    for number, origin in connection.execute(old).all():
        own, last = row.issue_id == number, origin + _KEPT
        ends = sa.select(sa.func.min(row.series_id), sa.func.max(row.series_id)).where(own)
        lowest, highest = connection.execute(ends).one()
        if lowest is None or not _reaches_beyond(connection, number, lowest, last):
            continue
        for start in range(lowest, highest + 1, _SERIES_AT_ONCE):
            some = row.series_id.between(start, start + _SERIES_AT_ONCE - 1)
            thinned += connection.execute(
                sa.delete(FORECASTS).where(own, some, row.target > last)
            ).rowcount
    return thinned


def _reaches_beyond(connection: sa.Connection, number: int, series: int, last: date) -> bool:
    """Say whether an issue is still whole: all of its series are of equal length."""
    row = FORECASTS.c
    of_one = sa.select(sa.func.max(row.target)).where(
        row.issue_id == number, row.series_id == series
    )
    furthest: date | None = connection.scalar(of_one)
    return furthest is not None and furthest > last
