"""Covariates: does a model miss any of them?

Takes a panel whose reported weeks are cut off, gives what each covariate is worth: the error of
XGBoost without it, on the windows of a search. Leaves nothing out: a person writes what is found
into `params.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.evaluation.backtest import Progress
from sales_forecast.models.trees import XGBOOST, TreeForecaster
from sales_forecast.tuning import tune
from sales_forecast.tuning.trials import relative_errors, standard_errors

_SEEDS = range(1, 4)


@dataclass(frozen=True)
class Without:
    """What the model is without some covariates.

    Attributes:
        relative_error: WMAE over that with all of them, the mean of both protocols.
        standard_error: of it, over weeks and over seeds.
    """

    names: tuple[str, ...]
    relative_error: float
    standard_error: float

    @property
    def missed(self) -> bool:
        """Whether the model is worse without them by more than the standard error."""
        return self.relative_error - self.standard_error > 1

    def __str__(self) -> str:
        return f"{self.relative_error:.3f} +- {self.standard_error:.3f}"


def search(
    panel: Panel, progress: Progress = lambda _: None, model: TreeForecaster = XGBOOST
) -> Sequence[Without]:
    """Leave out each covariate, and at last all of those together that are not missed.

    Raises NotEnoughData where there is none.
    """
    names = [
        name
        for name, values in panel.conditions.items()
        if name != panel.holiday and not np.isnan(values).all()
    ]
    if not names:
        raise NotEnoughData("These sales have no covariate that could be left out.")
    whole = _misses(panel, model, progress, "with all")
    alone = [
        _judged(whole, _misses(panel.without([name]), model, progress, f"without {name}"), (name,))
        for name in names
    ]
    unmissed = tuple(one.names[0] for one in alone if not one.missed)
    if len(unmissed) < 2:  # noqa: PLR2004 - one alone was judged already
        return alone
    rest = _misses(panel.without(unmissed), model, progress, "without all that is not missed")
    return [*alone, _judged(whole, rest, unmissed)]


def _judged(whole: Array, rest: Array, names: tuple[str, ...]) -> Without:
    both = np.stack([whole, rest], axis=-1)
    error, spread = relative_errors(both)[1], standard_errors(both)[1]
    return Without(names, float(error), float(spread))


def _misses(panel: Panel, model: TreeForecaster, progress: Progress, what: str) -> Array:
    """Return float64[n_seeds, n_protocols, n_weeks]."""
    seeded = [
        replace(model, name=f"seed {of}", parameters={**model.parameters, "random_state": of})
        for of in _SEEDS
    ]

    def report(text: str) -> None:
        progress(f"{what}: {text}")

    misses = np.stack(
        [tune.weekly_misses(panel, seeded, split, report) for split in tune.protocols(panel)]
    )
    return np.moveaxis(misses, 2, 0)


def covariates_table(found: Sequence[Without]) -> str:
    """Return a Markdown table."""
    rows = [("without", "relative error", "missed"), ("-------", "--------------", "------")]
    rows += [(", ".join(one.names), str(one), "yes" if one.missed else "no") for one in found]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def proposal(found: Sequence[Without]) -> str:
    """Return what is to be written into `params.yaml`."""
    last = found[-1]
    alone = [one for one in found if len(one.names) == 1]
    unmissed = [one.names[0] for one in alone if not one.missed]
    if not unmissed:
        return "Keep all of them: the model misses each."
    if len(unmissed) > 1 and last.missed:
        best = min(alone, key=lambda one: one.relative_error)
        unmissed = [best.names[0]]
        return (
            "Together they are missed: leave out one, and search again. In params.yaml:\n"
            f"    features: {{leave_out: [{', '.join(unmissed)}]}}"
        )
    return f"In params.yaml:\n    features: {{leave_out: [{', '.join(unmissed)}]}}"
