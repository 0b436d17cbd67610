"""Who was champion from when to when, why and by whom: the table `model_deployments`.

Takes and gives rows; the one without an end is the champion now. Must not know bundles, the
registry or the gate.
"""

from __future__ import annotations

import getpass
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sales_forecast.data.moments import in_utc, now
from sales_forecast.data.tables import Tables

_METADATA = sa.MetaData()
MODEL_DEPLOYMENTS = sa.Table(
    "model_deployments",
    _METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("model_version", sa.String(64)),
    sa.Column("champion_from", sa.DateTime(timezone=True)),
    sa.Column("champion_until", sa.DateTime(timezone=True)),
    sa.Column("reason", sa.Text),
    sa.Column("decided_by", sa.String(128)),
    sa.Column("verdict", sa.Text),
)


@dataclass(frozen=True)
class Cause:
    """Why a model became champion.

    Attributes:
        by: the command, or the person, that decided.
        reason: in words.
        verdict: JSON: what the gate said; `{}` where it was not asked.
    """

    by: str
    reason: str
    verdict: str = "{}"


@dataclass(frozen=True)
class Deployment:
    """For how long a model was champion, moments in UTC; `until` is None while it is."""

    model_version: str
    since: datetime
    until: datetime | None
    cause: Cause


class Deployments(Tables):
    """The table `model_deployments`."""

    def record(self, model_version: str, cause: Cause) -> bool:
        """Write down that a model is champion from now on; False if it was already."""
        of = MODEL_DEPLOYMENTS.c
        with self._server.writing() as connection:
            is_open = of.champion_until.is_(None)
            if connection.scalar(sa.select(of.model_version).where(is_open)) == model_version:
                return False
            moment = now()
            ended = sa.update(MODEL_DEPLOYMENTS).where(is_open).values(champion_until=moment)
            connection.execute(ended)
            row = {
                "id": (connection.scalar(sa.select(sa.func.max(of.id))) or 0) + 1,
                "model_version": model_version,
                "champion_from": moment,
                "reason": cause.reason,
                "decided_by": cause.by,
                "verdict": cause.verdict,
            }
            connection.execute(sa.insert(MODEL_DEPLOYMENTS), row)
            connection.commit()
        return True

    def all(self) -> Sequence[Deployment]:
        """Return all rows, the oldest first."""
        of = MODEL_DEPLOYMENTS.c
        columns = of.model_version, of.champion_from, of.champion_until
        query = sa.select(*columns, of.decided_by, of.reason, of.verdict).order_by(of.id)
        with self._server.connection() as connection:
            return [
                Deployment(version, in_utc(since), until and in_utc(until), Cause(*cause))
                for version, since, until, *cause in connection.execute(query)
            ]


def champions(deployments: Sequence[Deployment]) -> Sequence[str]:
    """Return the versions that led to the champion of now, which is the last of them.

    A model that is champion again takes back what came after it: of A, B, A only A is left, so that
    going back twice never leads to what was left for good reason.
    """
    path: list[str] = []
    for version in (of.model_version for of in deployments):
        path = path[: path.index(version)] if version in path else path
        path.append(version)
    return path


def who(command: str) -> str:
    """Return a command with the user and the machine that run it, as `Cause.by` has it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number without a name
        user = "nobody by name"
    return f"{command}, {user} on {platform.node()}"[:128]
