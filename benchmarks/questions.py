"""Varied bodies for both endpoints, of whatever panel a database holds.

Takes a database and a folder, gives files with one JSON body a line: any series, a period of the
season and a half (of a large panel: none of them, see docs/serving.md) or of those that follow,
covariates as they occur.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np

from sales_forecast.data.database import Database
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.rows import STORES
from sales_forecast.evaluation.protocols import LARGE_PANEL

ENDPOINTS = ("/predict_sales", "/forecast_sales")
_BODIES = 5000
_BACK, _AHEAD = 1.5, 0.75  # seasons
_DECIMALS = 3


def write_questions(database_url: str, folder: Path) -> dict[str, Path]:
    """Return the file of each endpoint."""
    with closing(Database(database_url)) as database:
        panel = database.read_panel()
    chance = random.Random(0)  # noqa: S311 - no secret
    files = {path: folder / f"{path.strip('/')}.txt" for path in ENDPOINTS}
    both = _periods(panel, chance), _steps(panel, chance)
    for path, asked in zip(ENDPOINTS, both, strict=True):
        files[path].write_text("\n".join(map(json.dumps, asked)))
    return files


def _periods(panel: Panel, chance: random.Random) -> Iterator[dict[str, object]]:
    spec, season = panel.spec or STORES, panel.frequency.season
    occurring: list[tuple[str, Array]] = []
    for of in (*spec.past, *spec.future):
        tables = panel.conditions if of.name in panel.conditions else panel.plan
        values = tables[of.name]
        occurring.append((of.column, values[~np.isnan(values)]))
    back = min(int(_BACK * season), panel.n_periods // 2) if panel.n_series < LARGE_PANEL else 0
    for _ in range(_BODIES):
        at = chance.randint(1 - back, int(_AHEAD * season))
        day = panel.last + timedelta(days=at * panel.frequency.days)
        told = {column: _number(chance.choice(values)) for column, values in occurring}
        yield {**_keys(panel, chance, fields=False), spec.date: str(day), **told}


def _steps(panel: Panel, chance: random.Random) -> Iterator[dict[str, object]]:
    for _ in range(_BODIES):
        steps = chance.randint(1, panel.frequency.periods(8))
        yield {**_keys(panel, chance, fields=True), "steps": steps}


def _keys(panel: Panel, chance: random.Random, *, fields: bool) -> dict[str, object]:
    row = chance.randrange(panel.n_series)
    keys = (panel.spec or STORES).keys
    return {(of.field if fields else of.column): panel.keys[of.column][row].item() for of in keys}


def _number(value: float) -> float | int:
    number = round(float(value), _DECIMALS)
    return int(number) if number.is_integer() else number
