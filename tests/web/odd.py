"""A layout of one's own whose names a page must not trip over: quotes, tags, formulas, our words.

The last of its series has the longest name, and sold nothing lately.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sales_forecast.data.files.layouts import read_panel
from sales_forecast.data.panel import Panel
from tests.builders import weeks

SHOP, ARTICLE = 'Größe/Art? "A" & <b>', "number"
PRICE, PROMOTION = "price of 1 (€)", "upper"
LONG = "=1+1😀" + "x" * 180
_LAYOUT = f"""series = ['{SHOP}', '{ARTICLE}']
date = "date"
dates = "last"
target = "forecast"
known_in_advance = ["{PRICE}", "{PROMOTION}"]
conditions = ["rain & snow", "median"]
traits = ["<i>"]
holiday = "is it one?"
"""
_COVARIATES = (PRICE, PROMOTION, "rain & snow", "median", "is it one?")
_WEEKS, _AHEAD, _SILENT = 130, 6, 6


def odd() -> Panel:
    """Two articles of two shops by week; prices and promotions move sales, and are planned."""
    with TemporaryDirectory() as folder:
        layout, file = Path(folder) / "odd.toml", Path(folder) / "odd.csv"
        layout.write_text(_LAYOUT)
        with file.open("w", newline="") as out:
            sheet = csv.writer(out)
            sheet.writerow(["date", SHOP, ARTICLE, "<i>", "forecast", *_COVARIATES])
            sheet.writerows(_rows())
        return read_panel(file, str(layout))


def _rows() -> Iterator[list[object]]:
    rng = np.random.default_rng(0)
    for shop, article in product(("<script>1</script>", "Öst"), ("a&b=c", LONG)):
        price = rng.choice([1.0, 1.5, 2.0], _WEEKS + _AHEAD)
        promotion = (rng.random(_WEEKS + _AHEAD) < 0.3).astype(int)
        sales = np.exp(5 - 0.3 * price + 0.3 * promotion + rng.normal(0, 0.05, len(price)))
        if (shop, article) == ("Öst", LONG):
            sales[_WEEKS - _SILENT :] = 0
        for n, week in enumerate(weeks("2020-01-05", len(price))):
            observed = [rng.random(), 3, int(n % 26 == 0)] if n < _WEEKS else ["", "", ""]
            sold = sales[n] if n < _WEEKS else ""
            yield [week, shop, article, shop[:2], sold, price[n], promotion[n], *observed]
