"""Files to sales: the edge where data is checked, once.

Takes a file or folder and its layout, gives a `Panel`, or rows of weekly stores; or raises
DataRefused with the file, the line, the column and what is wrong there. Must not guess and must
not know the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from sales_forecast.data.connectors.description import Description
from sales_forecast.data.files.daily import StoreDays
from sales_forecast.data.files.departments import DepartmentWeeks
from sales_forecast.data.files.own import OwnLayout
from sales_forecast.data.files.stores import StoreWeeks
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import SalesRows
from sales_forecast.data.spec import OWN_LAYOUT, WeekDates
from sales_forecast.errors import DataRefused


class Layout(Protocol):
    """A form of files, and how they become sales."""

    def panel(self, path: Path) -> Panel:
        """Read and validate everything. Raises DataRefused."""
        ...


@runtime_checkable
class StoreLayout(Layout, Protocol):
    """A layout from which weekly sales of stores can be read, or added up."""

    def rows(self, path: Path) -> SalesRows:
        """Read and validate everything, in the order of the file. Raises DataRefused."""
        ...


LAYOUTS: Mapping[str, Callable[[WeekDates | None], Layout]] = {
    "stores": StoreWeeks,
    "departments": DepartmentWeeks,
    "daily": lambda _: StoreDays(),
}
"""By what their files say of a week by its date: nothing, or which day of it that is."""


def read_panel(path: Path, layout: str = "stores", dates: WeekDates | None = None) -> Panel:
    """Read a file or folder of a layout: one of `LAYOUTS`, or a TOML file that describes one.

    `dates`: which day of a week its date is; None if the layout says it, or the weekday is usual.
    Raises DataRefused, naming the place, if anything is not as it should be, if it cannot be
    read, or if there is no such layout.
    """
    return _layout(path, layout, dates).panel(path)


def sources_of(layout: str) -> tuple[Description, ...]:
    """Return the sources of the web that a layout names. Raises DataRefused."""
    if not layout.endswith(OWN_LAYOUT):
        return ()
    file = Path(layout)
    return tuple(Description.read(name, file.parent) for name in OwnLayout.read(file).sources)


def read_sales(path: Path, layout: str = "stores", dates: WeekDates | None = None) -> SalesRows:
    """Read weekly sales of stores; those of departments are added up.

    Raises DataRefused as `read_panel` does, and for a layout of other sales.
    """
    form = _layout(path, layout, dates)
    if not isinstance(form, StoreLayout):
        raise DataRefused(path, f"sales of layout {layout} are no weekly sales of stores")
    return form.rows(path)


def _layout(path: Path, name: str, dates: WeekDates | None) -> Layout:
    if name.endswith(OWN_LAYOUT):
        return OwnLayout.read(Path(name), dates)
    if dates and name == "daily":
        raise DataRefused(path, "--dates is for weeks, and the layout daily has days")
    if name not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise DataRefused(
            path,
            f"there is no layout {name!r}; the known layouts are: {known}, "
            f"or a file of your own (*{OWN_LAYOUT})",
        )
    return LAYOUTS[name](dates)
