"""Judged forecasts, read back: sums of errors over the newest periods, and how forecasts moved.

Takes how many periods and what of them, gives sums as `score_tables.SUMS` names them. Must not know
what measures are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from sales_forecast.data.forecast_tables import FORECASTS, newest_of_origins
from sales_forecast.data.forecasts.score_tables import ALL, SCORES_NEWEST, SCORES_REALISED, SUMS
from sales_forecast.data.tables import Tables


class ScoreKey(NamedTuple):
    """What is added up over periods: forecasts of one step, on one level and slice."""

    step: int
    level: str
    slice: str
    slice_value: str


class StoredScores(Tables):
    """Reads the scores of a database.

    Every method gives nothing where nothing is judged yet, and raises NotReady for tables of
    another release.
    """

    def sums(
        self,
        periods: int,
        *,
        level: str | None = None,
        slice_: str | None = None,
    ) -> Mapping[ScoreKey, Mapping[str, float]]:
        """Return the sums over the newest periods that were judged, of what the best model said.

        Of every origin the newest issue counts, by the sales that are stored now. None of `level`
        and `slice_` is all of them.
        """
        of = SCORES_NEWEST.c
        wanted = {of.level: level, of.slice: slice_}
        with self._reading() as connection:
            if connection is None:
                return {}
            first = _first_of(connection, periods)
            if first is None:
                return {}
            query = (
                sa.select(
                    *(of[name] for name in ScoreKey._fields),
                    *(sa.func.sum(of[name]) for name in SUMS),
                )
                .where(of.role == "best", of.target >= first)
                .where(*(column == value for column, value in wanted.items() if value is not None))
                .group_by(*(of[name] for name in ScoreKey._fields))
                .order_by(*(of[name] for name in ScoreKey._fields))
            )
            return {
                ScoreKey(*row[:4]): {
                    name: float(value) for name, value in zip(SUMS, row[4:], strict=True)
                }
                for row in connection.execute(query)
                if row[4]
            }

    def by_period(self, periods: int, step: int) -> Mapping[date, Mapping[str, float]]:
        """Return the newest periods that were judged, oldest first -> sums over single series.

        Of what the best model said `step` periods ahead; as in `sums`.
        """
        of = SCORES_NEWEST.c
        of_all = (of.level == "series", of.slice == ALL, of.slice_value == ALL)
        with self._reading() as connection:
            if connection is None:
                return {}
            query = (
                sa.select(of.target, *(sa.func.sum(of[name]) for name in SUMS))
                .where(of.role == "best", of.step == step, of.n > 0, *of_all)
                .group_by(of.target)
                .order_by(of.target.desc())
                .limit(periods)
            )
            found = [
                (target, {name: float(sum_) for name, sum_ in zip(SUMS, sums, strict=True)})
                for target, *sums in connection.execute(query)
            ]
        return dict(reversed(found))

    def changes(self, origins: int) -> Mapping[int, float]:
        """Return step -> how much forecasts moved from one origin to the next, a fraction.

        Sums over series and the newest `origins` that follow another: |new - former| over |former|,
        of what the best model expected of the same periods; `step` is that of the new forecast.
        """
        moved: dict[int, float] = {}
        whole: dict[int, float] = {}
        with self._reading() as connection:
            if connection is None:
                return {}
            issues = [of for _, of in connection.execute(newest_of_origins("best", origins + 1))]
            for new, former in pairwise(issues):
                for step, apart, before in connection.execute(_moved(new, former)):
                    moved[step] = moved.get(step, 0.0) + apart
                    whole[step] = whole.get(step, 0.0) + before
        return {step: moved[step] / whole[step] for step in sorted(moved) if whole[step] > 0}


def _first_of(connection: sa.Connection, periods: int) -> date | None:
    """Return the first of the newest periods of which anything is judged."""
    of = SCORES_REALISED.c
    newest = (
        sa.select(of.target)
        .distinct()
        .where(of.level == "series", of.slice == ALL, of.slice_value == ALL, of.n > 0)
        .order_by(of.target.desc())
        .limit(periods)
        .subquery()
    )
    first: date | None = connection.scalar(sa.select(sa.func.min(newest.c.target)))
    return first


def _moved(new: int, former: int) -> sa.Select[Any]:
    one, other = FORECASTS.alias("new").c, FORECASTS.alias("former").c
    return (
        sa.select(
            one.step,
            sa.func.sum(sa.func.abs(one.sales - other.sales)),
            sa.func.sum(sa.func.abs(other.sales)),
        )
        .where(
            one.issue_id == new,
            other.issue_id == former,
            other.series_id == one.series_id,
            other.target == one.target,
        )
        .group_by(one.step)
    )
