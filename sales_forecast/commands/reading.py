"""The sales that a command is about: of a file and the sources of its layout, or of the database.

Takes arguments and settings, gives a panel. Must not know what becomes of it.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from datetime import date
from pathlib import Path

from sales_forecast.data.connectors.outside import with_outside
from sales_forecast.data.connectors.web import Web
from sales_forecast.data.database import Database
from sales_forecast.data.files.layouts import read_panel, sources_of
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import WeekDates
from sales_forecast.errors import NotEnoughData
from sales_forecast.params import Params
from sales_forecast.settings import Settings, load_settings


def read_file(file: Path, layout: str, dates: WeekDates | None, settings: Settings) -> Panel:
    """Read a file or folder. Raises DataRefused."""
    web = Web(settings.var_dir / "sources", settings.keys_of_sources)
    return with_outside(read_panel(file, layout, dates), sources_of(layout), web)


def stored(settings: Settings) -> Panel:
    """Return all that the database holds, its tables brought up to date.

    Raises DatabaseError, NotReady.
    """
    with closing(Database(settings.database_url, settings.database_service_user)) as database:
        database.migrate()
        return database.read_panel()


def asked(arguments: Namespace, params: Params) -> Panel:
    """Read what the models may see of `--csv`, or of the database.

    Raises DataRefused, DatabaseError, NotReady, SettingsError.
    """
    settings = load_settings()
    if arguments.csv:
        panel = read_file(arguments.csv, arguments.layout, arguments.dates, settings).with_zeros()
    else:
        with closing(Database(settings.database_url)) as database:
            panel = database.read_panel()
    return panel.without(params.features.leave_out)


def until(panel: Panel, day: date | None) -> Panel:
    """Return a panel as it was known at the end of a day. Raises NotEnoughData."""
    if day is None:
        return panel
    if day < panel.first:
        raise NotEnoughData(f"--until {day}: the first {panel.frequency.unit} is {panel.first}.")
    return panel.until(day)
