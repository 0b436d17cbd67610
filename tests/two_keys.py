"""Sales of departments in stores, and what somebody expects of them: small enough to add up."""

from __future__ import annotations

import itertools

import numpy as np

from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.issuing import Issue, Role
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.spec import Key, PanelSpec
from tests.builders import weeks

SPEC = PanelSpec(
    layout="my",
    keys=(
        Key(column="Store", kind="number", field="store_id"),
        Key(column="Dept", kind="text", field="dept_id"),
    ),
    date="Date",
    target="Sales",
)
KEYS = list(itertools.product((1, 2, 10), ("a", "A", "b")))
"""Nine departments; MySQL takes two of their names for one, unless it is told not to."""
FIRST = "2010-02-05"


def panel(n_weeks: int = 20, seed: int = 0, first: str = FIRST) -> Panel:
    """Sales with a year's wave, some noise and different levels."""
    rng = np.random.default_rng(seed)
    level = 100.0 * np.arange(1, len(KEYS) + 1)[:, None]
    wave = 1 + 0.2 * np.sin(np.arange(n_weeks) * 2 * np.pi / 52)
    y = np.round(level * wave * (1 + 0.05 * rng.standard_normal((len(KEYS), n_weeks))), 2)
    stores, departments = zip(*KEYS, strict=True)
    return Panel(
        y=y,
        periods=weeks(first, n_weeks),
        series=tuple(f"{store}-{department}" for store, department in KEYS),
        keys={"Store": np.array(stores), "Dept": np.array(departments)},
        spec=SPEC,
    )


def sales_of(n_series: int, horizon: int, seed: int = 1) -> Array:
    """Numbers with more digits than cents."""
    return 1000 * np.random.default_rng(seed).random((n_series, horizon))


def issue(sales: Array, *, role: Role = "best", version: str = "v1", sums: str = "{}") -> Issue:
    """What one model expects: deciles within a tenth of it, and nothing said of 95%."""
    nothing = np.full(sales.shape, np.nan)
    return Issue(
        role=role,
        model="pooled" if role == "best" else "growth",
        model_version=version,
        mean=sales,
        quantiles={
            name: (0.875 + 0.25 * tau) * sales if 0.1 <= tau <= 0.9 else nothing
            for name, tau in QUANTILES.items()
        },
        sums=sums,
        note="a note for all",
        cautions={"1-A": "Only 3 weeks of its sales are known."},
    )
