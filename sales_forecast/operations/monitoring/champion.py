"""The champion as the weekly decision sees it.

Takes settings, gives the situation that `decide` judges. Reads database and bundles, and keeps the
alarms that it finds; starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event

from sales_forecast.bundles.bundle import CHALLENGER, read_manifest, read_origin
from sales_forecast.bundles.location import locate
from sales_forecast.data.database import Database
from sales_forecast.errors import BundleRefused
from sales_forecast.operations.monitoring.decide import Decision, Situation, decide
from sales_forecast.settings import Settings


def decision(settings: Settings, progress: Callable[[str], None]) -> Decision:
    """Decide what is to be done about the champion of MODEL_URI today.

    Raises BundleRefused where there is none, RegistryError, NotReady, DatabaseError.
    """
    progress("reading the sales")
    with closing(Database(settings.database_url)) as database:
        database.migrate()
        panel = database.read_panel()
    progress("reading the champion")
    folder = locate(settings).find(Event())
    situation = Situation(
        today=datetime.now(UTC).date(),
        newest=panel.last,
        trained_until=read_manifest(folder).training.last_week,
        trained_on=_last_training(folder, settings.var_dir / CHALLENGER),
    )
    return decide(situation)


def _last_training(*folders: Path) -> date:
    """Return the day of the last training that left a bundle, the first of which is there."""
    days = [read_origin(folders[0]).trained_at.date()]
    for folder in folders[1:]:
        try:
            days.append(read_origin(folder).trained_at.date())
        except BundleRefused:
            continue
    return max(days)
