"""What is known in advance, apart from what was observed.

Takes a panel of all rows of a file, gives one that ends with the last known sales. Must not know
files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sales_forecast.data.panel import Panel
from sales_forecast.data.public_holidays import public_holidays
from sales_forecast.data.spec import PUBLIC_HOLIDAY


def with_plan(whole: Panel, planned: Iterable[str], country: str | None) -> Panel:
    """Return the panel up to the last period in which anything sold; its plan goes on beyond.

    `planned`: the conditions that are known in advance. `country`: whose public holidays are, too.
    """
    past = whole.until(whole.periods[~np.isnan(whole.y).all(axis=0)][-1])
    plan = {name: whole.conditions[name] for name in planned}
    if country:
        plan[PUBLIC_HOLIDAY] = public_holidays(whole, country)
    observed = {name: of for name, of in past.conditions.items() if name not in plan}
    return replace(past, conditions=observed, plan=plan)
