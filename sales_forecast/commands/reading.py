"""The sales that a command is told by `--csv`, with what the sources of their layout say.

Takes places and settings, gives a panel. Must not know what becomes of it.
"""

from __future__ import annotations

from pathlib import Path

from sales_forecast.data.connectors.outside import with_outside
from sales_forecast.data.connectors.web import Web
from sales_forecast.data.files.layouts import read_panel, sources_of
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import WeekDates
from sales_forecast.settings import Settings


def read_file(file: Path, layout: str, dates: WeekDates | None, settings: Settings) -> Panel:
    """Read a file or folder. Raises DataRefused."""
    web = Web(settings.var_dir / "sources", settings.keys_of_sources)
    return with_outside(read_panel(file, layout, dates), sources_of(layout), web)
