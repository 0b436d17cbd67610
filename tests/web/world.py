"""A small shop with a past: sales, a model, forecasts that were issued week by week and judged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from starlette.types import ASGIApp

from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.files.daily import StoreDays
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.judged import Tables
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import with_quantiles
from sales_forecast.models.naive import BASELINES, GROWTH
from sales_forecast.operations.batch import write_forecasts
from sales_forecast.operations.judging import judge
from sales_forecast.service.api_keys import new_entry
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import Challenger, model_challenger
from sales_forecast.web.pages import Pages
from tests.builders import daily_folder, daily_panel, one_thread, sample_panel
from tests.service.conftest import ask_app
from tests.service.test_any_panel import departments
from tests.trained import silent
from tests.web.odd import odd

ROLES = ("viewer", "planner", "admin")
_STAND_INS = ("random_forest", "xgboost", "rf_xgb_mean", "arima")
_ORIGINS = 6


def stores(number: int = 4) -> Panel:
    """The first stores of the sample."""
    panel = sample_panel(number)
    keys = {"Store": np.array([int(name) for name in panel.series])}
    return replace(panel, keys=keys, spec=STORES)


def days() -> Panel:
    """Four stores that close on Sundays and on some Wednesdays, by day, and 21 planned days."""
    with TemporaryDirectory() as folder:
        return StoreDays().panel(daily_folder(Path(folder), daily_panel(4, 460, ahead=21)))


MADE: Mapping[str, Callable[[], Panel]] = {
    "stores": stores,
    "departments": departments,
    "sample": partial(stores, 8),
    "days": days,
    "odd": odd,
}


def tables_of(panel: Panel) -> Tables:
    """What the growth baseline did, under the names of models that take longer to judge."""
    # Where something is planned no rule may be the best: none looks at promotions.
    rules = (GROWTH,) if panel.plan else BASELINES
    table = backtest(panel, rules, RollingOrigin(4, 20, 1))
    for name in _STAND_INS:
        table[name] = table[GROWTH.name]
    return {"many_steps": with_quantiles(table, panel)}


@cache
def challenger_of(make: str, origins: int) -> Challenger:
    """The models of a panel before some weeks, fitted once for all tests of a process."""
    panel = MADE[make]()
    known = panel.until(panel.periods[-1 - origins])
    with one_thread():
        return model_challenger(known, "made for tests", tables_of(known), silent)


@dataclass(frozen=True)
class World:
    """What a service would be started with."""

    settings: Settings
    panel: Panel
    keys: dict[str, str]

    @contextmanager
    def live(self) -> Iterator[Live]:
        """What is served, without a key and without a thread that looks for news."""
        live = Live.from_settings(self.open)
        live.refresh()
        try:
            yield live
        finally:
            with live:
                pass  # it closes what it opened

    @property
    def open(self) -> Settings:
        """The settings of a service that asks for no key."""
        return self.settings.model_copy(update={"api_keys_file": None})

    def app(self, live: Live) -> ASGIApp:
        """The application that serves it."""
        return create_app(live, pages=Pages(live, self.open))

    @contextmanager
    def served(self) -> Iterator[ASGIApp]:
        """The application of what is served so, for whoever needs nothing else of it."""
        with self.live() as live:
            yield self.app(live)


def world(folder: Path, layout: str, origins: int = _ORIGINS) -> World:
    """Load, then forecast and judge period by period, as Mondays would."""
    panel = MADE[layout]()
    made = {role: new_entry(f"a-{role}", role) for role in ROLES}
    file = folder / "keys.toml"
    file.write_text("".join(lines for _, lines in made.values()))
    bundle = write_bundle(folder, challenger_of(layout, origins).sealed)
    settings = Settings(
        database_url=f"sqlite:///{folder}/sales.db",
        model_uri=str(bundle),
        var_dir=folder,
        api_keys_file=file,
        forecast_horizon=30,
    )
    for left in range(origins, -1, -1):
        known = panel.until(panel.periods[-1 - left])
        with closing(Database(settings.database_url)) as database:
            database.write(known, "made for tests")
            stored = database.read_panel()
            write_forecasts(settings, stored, silent)
            judge(settings.database_url, stored, silent)
    return World(settings, panel, {role: key for role, (key, _) in made.items()})


def of_ones_own(made: World, folder: Path, **keys: str) -> World:
    """Return a copy of a shop, to be changed; `keys`: name -> role, if others than one for each."""
    database = Path(made.settings.database_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(database)) as of, closing(sqlite3.connect(folder / "s.db")) as to:
        of.backup(to)
    named = {name: new_entry(name, role) for name, role in keys.items()}
    if named:
        (folder / "keys.toml").write_text("".join(lines for _, lines in named.values()))
    changed = {
        "database_url": f"sqlite:///{folder}/s.db",
        "var_dir": folder,
        "api_keys_file": folder / "keys.toml" if named else made.settings.api_keys_file,
    }
    settings = made.settings.model_copy(update=changed)
    return World(settings, made.panel, {name: key for name, (key, _) in named.items()} or made.keys)


def get(app: ASGIApp, path: str, **options: object) -> httpx.Response:
    """Ask for a page."""
    return ask_app(app, "GET", path, **options)
