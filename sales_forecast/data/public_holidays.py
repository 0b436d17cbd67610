"""Public holidays of a country, so that a file needs no column for them.

Takes a panel and the code of a country, gives a plan: how many days of each period are national
holidays. Must not know sales, nor holidays of parts of a country. `holidays` is asked when needed:
who loads weekly sales of stores does without.
"""

from __future__ import annotations

import re

import numpy as np

from sales_forecast.data.panel import Array, Panel

SEASONS_AHEAD = 2
_CODE = re.compile(r"[A-Z]{2}")


def is_known(country: str) -> bool:
    """Say whether the holidays of a country are known, by its two letters (ISO 3166-1)."""
    import holidays

    return bool(_CODE.fullmatch(country)) and country in holidays.list_supported_countries()


def public_holidays(panel: Panel, country: str) -> Array:
    """Return float64[n_series, n]: holidays in each period, alike for all series.

    Of weeks their number, of days 0 or 1; `SEASONS_AHEAD` further than the panel, as no file needs
    to tell them. `country`: one that `is_known`.
    """
    import holidays

    length = np.timedelta64(panel.frequency.days, "D")
    ahead = panel.after(SEASONS_AHEAD * panel.frequency.season)
    periods = np.concatenate([panel.periods, ahead])
    years = range((periods[0] - length).item().year, periods[-1].item().year + 1)
    found = sorted(holidays.country_holidays(country, years=years))
    days = np.array(found, dtype="datetime64[D]")
    until = np.searchsorted(days, periods, side="right")
    before = np.searchsorted(days, periods - length, side="right")
    return np.tile((until - before).astype(np.float64), (panel.n_series, 1))
