"""What the inputs of late are like, beside those of a year before and those of the training.

Takes a panel, gives sentences. It explains alarms and is none: on 45 stores the population
stability index of temperatures is above its usual limit in every week, against the same weeks a
year before as well, as one week of all stores is one observation and trends are no drift.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from scipy import stats

from sales_forecast.data.panel import Array, Panel

WEEKS = 4
"""Weeks of late, and as many of the same season a year before."""
_STABLE, _SHIFTED = 0.25, 0.05
"""The usual limits of the index, and of p in the test of Kolmogorov and Smirnov."""
_BINS = 10
_LEAST = 1e-4


def psi(now: Array, before: Array) -> float:
    """Return the population stability index of values against others, by their deciles."""
    bounds = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    shares = [
        np.bincount(np.searchsorted(bounds, of), minlength=len(bounds) + 1) / len(of)
        for of in (now, before)
    ]
    a, b = (np.maximum(share, _LEAST) for share in shares)
    return float(((a - b) * np.log(a / b)).sum())


def inputs(panel: Panel, trained_until: date) -> list[str]:
    """Return what is unusual about the covariates of the last weeks, as far as they are known."""
    told = []
    of_late = panel.frequency.periods(WEEKS)
    season = panel.frequency.season
    seen = int((panel.periods <= np.datetime64(trained_until)).sum())
    plans = {name: values[:, : panel.n_periods] for name, values in panel.plan.items()}
    for name, values in {**panel.conditions, **plans}.items():
        now = _known(values[:, -of_late:])
        before = _known(values[:, -season - of_late : -season])
        trained = _known(values[:, :seen])
        if not len(now) or len(np.unique(trained)) <= _BINS:
            continue
        if len(before) and panel.n_periods >= season + of_late:
            index, p = psi(now, before), float(stats.ks_2samp(now, before).pvalue)
            if index > _STABLE and p < _SHIFTED:
                told.append(
                    f"{name} of the last {WEEKS} weeks differs from the same weeks a year before "
                    f"(PSI {index:.2f}, KS p {p:.3f}): it may explain an alarm, and is none."
                )
        outside = float(((now < trained.min()) | (now > trained.max())).mean())
        if outside > 0:
            told.append(
                f"{outside:.0%} of {name} in the last {WEEKS} weeks is outside what the champion "
                f"has seen ({trained.min():.4g} to {trained.max():.4g})."
            )
    return told


def _known(values: Array) -> Array:
    known: Array = values[~np.isnan(values)]
    return known
