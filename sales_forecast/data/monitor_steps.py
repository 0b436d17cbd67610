"""What the weekly job has done: one row a week and step, the newest outcome of each.

Takes and gives outcomes, plain JSON. Must not know what the steps do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from sales_forecast.data.moments import in_utc, now
from sales_forecast.data.tables import Tables

MONITOR_STEPS = sa.Table(
    "monitor_steps",
    sa.MetaData(),
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("step", sa.String(32), primary_key=True),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("outcome", sa.Text),
)


@dataclass(frozen=True)
class Done:
    """A step that came to its end.

    Attributes:
        at: when, in UTC.
        state: what it was done for; where that changed, it is to be done anew.
        outcome: plain JSON, for whoever comes after it.
    """

    at: datetime
    state: str
    outcome: Mapping[str, Any]


class MonitorSteps(Tables):
    """The table `monitor_steps`."""

    def done(self, week: date) -> Mapping[str, Done]:
        """Return step -> how it ended, of the week of a Monday."""
        of = MONITOR_STEPS.c
        query = sa.select(of.step, of.finished_at, of.outcome).where(of.week == week)
        with self._server.connection() as connection:
            return {
                step: Done(in_utc(at), **json.loads(text))
                for step, at, text in connection.execute(query)
            }

    def record(self, week: date, step: str, state: str, outcome: Mapping[str, Any]) -> None:
        """Write down that a step came to its end, in place of an earlier end in that week."""
        of = MONITOR_STEPS.c
        text = json.dumps({"state": state, "outcome": outcome}, allow_nan=False)
        row = {"week": week, "step": step, "finished_at": now(), "outcome": text}
        with self._server.writing() as connection:
            earlier = sa.delete(MONITOR_STEPS).where(of.week == week, of.step == step)
            connection.execute(earlier)
            connection.execute(sa.insert(MONITOR_STEPS), row)
            connection.commit()

    def newest(self) -> Mapping[str, datetime]:
        """Return step -> when it last came to its end, in UTC.

        Nothing from a database without tables of this release. Raises NotReady.
        """
        of = MONITOR_STEPS.c
        query = sa.select(of.step, sa.func.max(of.finished_at)).group_by(of.step)
        with self._reading() as connection:
            found = connection.execute(query.order_by(of.step)) if connection else ()
            return {step: in_utc(at) for step, at in found}
