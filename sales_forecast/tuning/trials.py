"""What trials of hyperparameters are worth: errors relative to the defaults, and how sure they are.

Takes errors by seed, protocol and week, gives relative errors, their standard errors, and what is
to be told of them. Must not know panels or how a model is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sales_forecast.data.panel import Array
from sales_forecast.models.trees import Parameters

_SHOWN = 5


@dataclass(frozen=True)
class Trial:
    """One setting, and how it did.

    Attributes:
        parameters: the hyperparameters.
        relative_error: WMAE over that of the defaults, the mean of both protocols.
        standard_error: of the relative error, over weeks and over seeds.
    """

    parameters: Parameters
    relative_error: float
    standard_error: float

    def __str__(self) -> str:
        return f"{self.relative_error:.3f} +- {self.standard_error:.3f}"


@dataclass(frozen=True)
class Found:
    """What a search found for one model.

    Attributes:
        model: its name.
        defaults: its hyperparameters, the first trial.
        n_trials: how many settings were tried, the defaults among them.
        finalists: those that were looked at closely, the smallest error first.
    """

    model: str
    defaults: Parameters
    n_trials: int
    finalists: tuple[Trial, ...]

    @property
    def improves(self) -> bool:
        """Whether the best is better than the defaults by more than its standard error."""
        best = self.finalists[0]
        return best.relative_error + best.standard_error < 1


# Errors


def relative_errors(misses: Array) -> Array:
    """Return float64[n_trials]: WMAE over that of the first trial, the mean of the protocols.

    `misses`: float64[n_seeds, n_protocols, n_weeks, n_trials], sums of weighted absolute errors;
    0 in a week that a protocol does not judge.
    """
    return _relative(misses.sum(axis=(0, 2)))


def standard_errors(misses: Array) -> Array:
    """Return float64[n_trials]: the standard errors of `relative_errors`, of the same misses.

    By the jackknife (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11),
    once over weeks and once over seeds; the variances are added up. The stores of a week err
    alike, and both protocols judge it: a week is left out as a whole. Needs two of each.
    """
    by_week = np.moveaxis(misses.sum(axis=0), 1, 0)
    judged = by_week[by_week.any(axis=(1, 2))]
    return np.sqrt(_variance(judged) + _variance(misses.sum(axis=2)))


def _variance(parts: Array) -> Array:
    """Return the jackknife variance of relative errors; float64[n_parts, n_protocols, n_trials]."""
    without = np.stack([_relative(parts.sum(axis=0) - part) for part in parts])
    variance: Array = (len(parts) - 1) * without.var(axis=0)
    return variance


def _relative(totals: Array) -> Array:
    relative: Array = (totals / totals[:, :1]).mean(axis=0)
    return relative


# What is told


def describe(parameters: Parameters) -> str:
    """Return hyperparameters in a line."""
    return ", ".join(f"{name}={value:.3g}" for name, value in parameters.items())


def trials_table(found: Found) -> str:
    """Return a Markdown table of the best trials, one line each."""
    rows = [("relative error", "hyperparameters"), ("-" * 14, "-" * 15)]
    for trial in found.finalists[:_SHOWN]:
        known = " (defaults)" if trial.parameters == found.defaults else ""
        rows.append((str(trial), describe(trial.parameters) + known))
    return "\n".join(f"| {error} | {parameters} |" for error, parameters in rows)


def proposal(found: Found, command: str) -> str:
    """Return what is to be committed, with the command that found it."""
    best = found.finalists[0]
    if not found.improves:
        return (
            f"Keep the defaults of {found.model}, with this beside them:\n"
            f"    # `{command}`\n"
            f"    # found nothing better by more than its standard error (best: {best})."
        )
    return (
        f"Commit as the defaults of {found.model}:\n"
        f"    # Found by `{command}`:\n"
        f"    # {best} of the error of the defaults before.\n"
        f"    {dict(best.parameters)}"
    )
