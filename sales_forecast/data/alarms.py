"""Alarms that were raised: one row a week, rule and subject, never changed.

Takes alarms and the version of the model that they are about, gives a table that only grows, and
the alarms back. Must not know rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import sqlalchemy as sa

from sales_forecast.data.tables import Tables

ALARMS = sa.Table(
    "alarms",
    sa.MetaData(),
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("rule", sa.String(32), primary_key=True),
    sa.Column("subject", sa.String(128), primary_key=True),
    sa.Column("raised_at", sa.DateTime(timezone=True)),
    sa.Column("model_version", sa.String(64)),
    sa.Column("statistic", sa.Double),
    sa.Column("alarm_limit", sa.Double),
    sa.Column("message", sa.Text),
)
"""The table, as the newest revision of the migrations makes it."""


@dataclass(frozen=True)
class Alarm:
    """A rule that found something.

    Attributes:
        week: the day that ends the week that raised it.
        rule: `chain`, `group`, `series` or `coverage`.
        subject: `chain`, or the name of a group or a series.
        statistic: what passed the limit, in standard deviations that were added up.
        message: the cause in words.
    """

    week: date
    rule: str
    subject: str
    statistic: float
    limit: float
    message: str

    def as_json(self) -> dict[str, object]:
        """Return all of it as JSON has it."""
        return {**asdict(self), "week": str(self.week)}


class AlarmTable(Tables):
    """The table `alarms`."""

    def raised(self, model_version: str) -> tuple[Alarm, ...]:
        """Return the alarms about a version of the model, oldest first."""
        of = ALARMS.c
        asked = (
            sa.select(of.week, of.rule, of.subject, of.statistic, of.alarm_limit, of.message)
            .where(of.model_version == model_version)
            .order_by(of.week, of.rule, of.subject)
        )
        with self._server.connection() as connection:
            return tuple(Alarm(*row) for row in connection.execute(asked))

    def add(self, alarms: Sequence[Alarm], model_version: str, raised_at: datetime) -> int:
        """Write alarms that are not there yet, by week, rule and subject; return how many."""
        of = ALARMS.c
        with self._server.writing() as connection:
            known = {
                tuple(row) for row in connection.execute(sa.select(of.week, of.rule, of.subject))
            }
            rows = [
                {
                    "week": alarm.week,
                    "rule": alarm.rule,
                    "subject": alarm.subject,
                    "raised_at": raised_at.replace(microsecond=0),  # MySQL keeps no more
                    "model_version": model_version,
                    "statistic": alarm.statistic,
                    "alarm_limit": alarm.limit,
                    "message": alarm.message,
                }
                for alarm in alarms
                if (alarm.week, alarm.rule, alarm.subject) not in known
            ]
            if rows:
                connection.execute(sa.insert(ALARMS), rows)
            connection.commit()
        return len(rows)
