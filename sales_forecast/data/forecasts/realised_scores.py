"""Judged forecasts: which are still to be judged, what was said of their periods, how good it was.

Takes periods and a hash of what was sold in each, gives the forecasts to judge and keeps the
judgements: each in one transaction, none ever changed. Must not know how to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from sales_forecast.data import dimensions
from sales_forecast.data.forecast_tables import FORECAST_ISSUES, FORECASTS, VALUES
from sales_forecast.data.forecasts.issuing import is_kept
from sales_forecast.data.forecasts.score_tables import ALL, COUNTS, SCORES_REALISED, SUMS
from sales_forecast.data.moments import now
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.tables import Tables
from sales_forecast.errors import NotReady

_ROWS = 2_000
"""Rows that are written at once."""
_CELLS = 1_000_000
"""Forecasts that are judged at once: few enough for the memory of a small machine."""


class JudgedIssue(NamedTuple):
    """One issue of which a period became known."""

    id: int
    origin: date
    horizon: int
    role: str
    model: str
    model_version: str
    sums: str
    step: int = 0
    """How many periods before the one that is judged."""


@dataclass(frozen=True, eq=False)
class Said:
    """What issues said of one period: `values` are float64[n_issues, n_series], NaN for nothing."""

    issues: Sequence[JudgedIssue]
    values: Mapping[str, Array]


class Score(NamedTuple):
    """The sums of the errors of one issue on one level and slice; `sums` as `SUMS` names them."""

    issue: JudgedIssue
    level: str
    slice: str
    slice_value: str
    sums: Mapping[str, float]


Judge = Callable[[Said], Iterable[Score]]
_Judged = Mapping[tuple[date, int], tuple[int, str]]


class RealisedScores(Tables):
    """The table `scores_realised`, for whoever judges."""

    def unjudged(self, panel: Panel, facts: Callable[[date], str]) -> list[date]:
        """Return the periods of a panel with forecasts that are not judged by what was sold then.

        `facts`: a hash of that, asked of periods that were forecast. Raises NotReady for tables of
        another release.
        """
        with self._reading() as connection:
            if connection is None:
                return []
            issues = _issues(connection)
            judged = _judged(connection) if issues else {}
        first = min((issue.origin for issue in issues), default=date.max)
        known = [day for day in panel.periods.tolist() if day > first]
        return [day for day in known if _pending(panel, issues, judged, day, facts(day))]

    def judge(self, panel: Panel, target: date, facts: str, judge: Judge) -> list[Score]:
        """Judge all forecasts of one period that are not yet judged by `facts`; return the scores.

        Raises NotReady where the stored series are not those of the panel any more.
        """
        with self._server.writing() as connection:
            judged = _judged(connection, target)
            pending = _pending(panel, _issues(connection), judged, target, facts)
            ids = dimensions.ids_of(connection, panel)
            if ids is None:
                raise NotReady("the stored series changed meanwhile")
            judged_at = now()
            found: list[Score] = []
            for block in _blocks(pending, panel.n_series):
                said = _said(connection, panel, ids, block, target)
                scores = _with_anchors(block, judge(said))
                rows = [
                    {
                        "target": target,
                        **_columns(of),
                        "revision": judged.get((target, of.issue.id), (0, ""))[0] + 1,
                        "facts": facts,
                        "judged_at": judged_at,
                    }
                    for of in scores
                ]
                for start in range(0, len(rows), _ROWS):
                    connection.execute(sa.insert(SCORES_REALISED), rows[start : start + _ROWS])
                found += scores
            connection.commit()
        return found


def _issues(connection: sa.Connection) -> list[JudgedIssue]:
    of = FORECAST_ISSUES.c
    columns = (of.id, of.origin, of.horizon, of.role, of.model, of.model_version, of.sums)
    issued = of.role.in_(["best", "baseline"])
    found = connection.execute(sa.select(*columns).where(issued).order_by(of.origin, of.id))
    return [JudgedIssue(*row) for row in found]


def _judged(connection: sa.Connection, target: date | None = None) -> _Judged:
    """Return target and issue -> the newest judgement, and the facts it is by."""
    of = SCORES_REALISED.c
    anchors = [of.level == "series", of.slice == ALL, of.slice_value == ALL]
    if target is not None:
        anchors.append(of.target == target)
    query = sa.select(of.target, of.issue_id, of.revision, of.facts).where(*anchors)
    found: dict[tuple[date, int], tuple[int, str]] = {}
    for day, issue, revision, facts in connection.execute(query.order_by(of.revision)):
        found[day, issue] = revision, facts
    return found


def _pending(
    panel: Panel, issues: Sequence[JudgedIssue], judged: _Judged, target: date, facts: str
) -> list[JudgedIssue]:
    newest = max((issue.origin for issue in issues), default=target)
    days = panel.frequency.days
    return [
        issue._replace(step=(target - issue.origin).days // days)
        for issue in issues
        if 0 < (target - issue.origin).days <= days * issue.horizon
        and is_kept(issue.origin, target, newest)
        and judged.get((target, issue.id), (0, ""))[1] != facts
    ]


def _blocks(issues: Sequence[JudgedIssue], n_series: int) -> Iterator[list[JudgedIssue]]:
    """Yield so many issues as are judged at once; those of one origin together."""
    block: list[JudgedIssue] = []
    for place, issue in enumerate(issues):
        if len(block) * n_series >= _CELLS and issue.origin != issues[place - 1].origin:
            yield block
            block = []
        block.append(issue)
    if block:
        yield block


def _said(
    connection: sa.Connection,
    panel: Panel,
    ids: npt.NDArray[np.int64],
    issues: Sequence[JudgedIssue],
    target: date,
) -> Said:
    row, series = FORECASTS.c, sa.table("dim_series", sa.column("id"))
    query = sa.select(row.issue_id, row.series_id, *(row[name] for name in VALUES)).where(
        # By the series: whole issues are many times what is asked for.
        row.series_id == series.c.id,
        row.issue_id.in_([issue.id for issue in issues]),
        row.target == target,
    )
    found = [tuple(cells) for cells in connection.execute(query)]
    cells = np.array(found, dtype=np.float64).reshape(len(found), 2 + len(VALUES))
    row_of = np.full(max(int(ids.max()), int(cells[:, 1].max(initial=0))) + 1, -1)
    row_of[ids] = np.arange(len(ids))
    numbers = np.array([issue.id for issue in issues])
    order = np.argsort(numbers)
    at = order[np.searchsorted(numbers[order], cells[:, 0].astype(np.int64))]
    column = row_of[cells[:, 1].astype(np.int64)]
    ours = column >= 0
    values = {}
    for place, name in enumerate(VALUES, 2):
        values[name] = np.full((len(issues), panel.n_series), np.nan)
        values[name][at[ours], column[ours]] = cells[ours, place]
    return Said(issues, values)


def _with_anchors(issues: Sequence[JudgedIssue], scores: Iterable[Score]) -> list[Score]:
    """Return scores of which each issue has that of all series: by it one sees what is judged."""
    found = list(scores)
    there = {of.issue.id for of in found if (of.level, of.slice) == ("series", ALL)}
    nothing = dict.fromkeys(SUMS, 0.0)
    missing = [issue for issue in issues if issue.id not in there]
    return [*found, *(Score(issue, "series", ALL, ALL, nothing) for issue in missing)]


def _columns(score: Score) -> dict[str, object]:
    issue = score.issue
    return {
        "issue_id": issue.id,
        "step": issue.step,
        "role": issue.role,
        "origin": issue.origin,
        "model": issue.model,
        "model_version": issue.model_version,
        "level": score.level,
        "slice": score.slice,
        "slice_value": score.slice_value,
        **{name: int(of) if name in COUNTS else of for name, of in score.sums.items()},
    }
