"""Nine departments with forecasts, and people who change them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from sales_forecast.data.database import Database
from sales_forecast.data.forecasts.issuing import ForecastTable
from sales_forecast.data.forecasts.stored_forecasts import StoredForecasts
from sales_forecast.data.panel import Array
from sales_forecast.planning.overrides import Overrides
from sales_forecast.planning.plan import renew_all
from sales_forecast.planning.wishes import Made, Wish
from tests.two_keys import KEYS, SPEC, issue, panel, sales_of

HORIZON = 6
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A database of 20 weeks in which `issue` forecasts six more."""

    def __init__(self, url: str, n_weeks: int = 20) -> None:
        self.url = url
        self.sales = panel(30)
        self.load(n_weeks)
        self.overrides = Overrides(url)
        self.forecasts = StoredForecasts(url)

    def close(self) -> None:
        self.overrides.close()
        self.forecasts.close()

    def load(self, n_weeks: int) -> None:
        self.known = self.sales.until(self.sales.periods[n_weeks - 1])
        with closing(Database(self.url)) as database:
            database.write(self.known, "panel")

    def issue(self, expected: Array | None = None, version: str = "v1", **options: Any) -> Array:
        """Issue forecasts, by default of random sales. Returns what is expected, in cents."""
        sales = sales_of(len(KEYS), HORIZON) if expected is None else expected
        made = [issue(sales, version=version, **options)]
        made.append(issue(sales / 2, role="baseline", version=version))
        with closing(ForecastTable(self.url)) as table:
            assert table.write(self.known, made, NOW, then=renew_all).forecasts
        return np.rint(np.round(sales, 2) * 100).astype(np.int64)

    def week(self, step: int) -> date:
        return self.known.last + timedelta(weeks=step)

    def version(self, **scope: str) -> str:
        found = self.forecasts.find(SPEC, scope)
        return self.overrides.planned(SPEC, found.id, scope).version

    def wish(
        self, scope: dict[str, str], kind: Any, amount: float, steps: tuple[int, int] = (1, 1)
    ) -> Wish:
        first, last = map(self.week, steps)
        return Wish(scope, first, last, kind, amount, "promotion", "leaflet", "")

    def change(
        self,
        scope: dict[str, str],
        kind: Any,
        amount: float,
        steps: tuple[int, int] = (1, 1),
        by: str = "ada",
        **others: Any,
    ) -> Made:
        wish = replace(self.wish(scope, kind, amount, steps), **others)
        return self.overrides.make(SPEC, replace(wish, version=wish.version or self.version()), by)

    def planned(self, **scope: str) -> list[int]:
        """What is planned of a sum, in cents, one number a period."""
        found = self.forecasts.find(SPEC, scope)
        planned = self.overrides.planned(SPEC, found.id, scope)
        return [round(planned.of(of.target, of.sales) * 100) for of in found.periods]

    def by_series(self) -> Array:
        """int64[n_series, n_targets], in cents."""
        return np.array([self.planned(k1=str(store), k2=name) for store, name in KEYS])
