"""What is planned of periods to come, and is unlike anything that was there with sales.

Takes a panel, gives sentences: a mistyped plan is found before it is forecast from.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sales_forecast.data.frequency import counted
from sales_forecast.data.numerals import numeral
from sales_forecast.data.panel import Panel


def far_plans(panel: Panel) -> Iterator[str]:
    """Say of each covariate how many numbers ahead are outside of all before, and which is worst.

    What the file plans counts, not what a calendar knows.
    """
    by_calendar = panel.spec.by_calendar if panel.spec else None
    n = panel.n_periods
    for name, values in panel.plan.items():
        before, ahead = values[:, :n], values[:, n:]
        known = before[~np.isnan(before)]
        if name == by_calendar or not known.size or np.isnan(ahead).all():
            continue
        low, high = known.min(), known.max()
        away = np.nan_to_num(np.maximum(low - ahead, ahead - high))
        if not (outside := int((away > 0).sum())):
            continue
        row, step = np.unravel_index(int(away.argmax()), away.shape)
        when = panel.after(ahead.shape[1])[step]
        yield (
            f"{name}: {counted(outside, 'planned number')} outside of what there was before "
            f"({numeral(low)} to {numeral(high)}), such as {ahead[row, step]:.12g} of "
            f"{panel.series[row]}, {when}."
        )
