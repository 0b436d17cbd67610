"""Three well-known leaks, and what each would have claimed for the same model.

Takes a panel, gives forecasters that cheat and their scores beside the honest ones. They hold the
whole panel, which is what makes a leak: each keeps the protocol of `models.base` to the
letter and still knows what nobody knew at the cutoff. They exist for the audit; nothing else may
import them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sales_forecast.data.panel import Array, Panel
from sales_forecast.evaluation.backtest import Progress, backtest
from sales_forecast.evaluation.metrics import wape, wmae
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.features.features import History
from sales_forecast.features.vocabulary import vocabulary_of
from sales_forecast.models.base import FittedForecaster, Forecaster, FutureConditions
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import (
    RANDOM_FOREST,
    TrainingSet,
    TreeForecaster,
    training_rows,
    training_set,
)

_HELD_OUT = 0.2


@dataclass(frozen=True, eq=False)
class RandomSplit:
    """Weeks drawn at random are judged; the model was fitted to all others, later ones too."""

    panel: Panel
    base: TreeForecaster
    name: str = "rows split at random"

    @cached_property
    def held_out(self) -> npt.NDArray[np.bool_]:
        """bool[n_series, n_periods]: a fifth of all weeks, which no fit sees."""
        return np.random.default_rng(0).random(self.panel.y.shape) < _HELD_OUT

    def fit(self, panel: Panel) -> FittedRegressor:
        """Fit to the rows of all weeks that are not held out, whatever `panel` ends with."""
        del panel
        whole = self.panel.until(self.panel.periods[-1])
        profile = fit_profile(whole)
        rows = training_rows(whole)
        usable = ~np.isnan(History(whole, profile).log_reference(*rows))
        learned = ~self.held_out[rows[0], rows[2]][usable]
        of = training_set(whole, profile)
        some = TrainingSet(of.X[learned], of.y[learned])
        return FittedRegressor(self.base.name, self.base.learn(some), profile, vocabulary_of(whole))


@dataclass(frozen=True, eq=False)
class ShortLags:
    """Every step is predicted from the true sales of the week before it."""

    panel: Panel
    base: Forecaster
    name: str = "last week's sales"

    def fit(self, panel: Panel) -> _FittedLeak:
        """Fit as the model does."""
        return _FittedLeak(fit_once(self.base, panel), self._ahead)

    def _ahead(self, fitted: FittedForecaster, history: Panel, horizon: int) -> Array:
        weeks = self.panel.periods[history.n_periods - 1 :][:horizon]
        return np.hstack([fitted.predict(self.panel.until(week), 1) for week in weeks])


@dataclass(frozen=True, eq=False)
class LaterConditions:
    """Every step is predicted with the conditions that were observed in its week."""

    panel: Panel
    base: Forecaster
    name: str = "later weather and prices"

    def fit(self, panel: Panel) -> _FittedLeak:
        """Fit as the model does."""
        return _FittedLeak(fit_once(self.base, panel), self._ahead)

    def _ahead(self, fitted: FittedForecaster, history: Panel, horizon: int) -> Array:
        ahead = slice(history.n_periods, history.n_periods + horizon)
        observed = {name: values[:, ahead] for name, values in self.panel.conditions.items()}
        return fitted.predict(history, horizon, observed)


@dataclass(frozen=True, eq=False)
class _FittedLeak:
    """A model that was fitted honestly, and a way to ask it that is not honest."""

    fitted: FittedForecaster
    ahead: Callable[[FittedForecaster, Panel, int], Array]

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        del conditions
        return self.ahead(self.fitted, history, horizon)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A forecaster that is fitted already."""

    name: str
    fitted: FittedForecaster

    def fit(self, panel: Panel) -> FittedForecaster:
        del panel
        return self.fitted


@dataclass(frozen=True)
class Claim:
    """What a leak claims, and what the same model reaches honestly for the same weeks."""

    leak: str
    predictions: int
    claimed_wmae: float
    honest_wmae: float
    claimed_wape: float
    honest_wape: float


def leaks_of(panel: Panel) -> tuple[RandomSplit, ShortLags, LaterConditions]:
    """Return the forecasters that cheat with what a panel holds."""
    forest = RANDOM_FOREST
    return RandomSplit(panel, forest), ShortLags(panel, forest), LaterConditions(panel, forest)


def claims(panel: Panel, split: RollingOrigin, progress: Progress = lambda _: None) -> list[Claim]:
    """Score Random Forest with and without each leak, on the windows of a protocol.

    A random split is judged on the weeks that it held out; the others on all.
    """
    random, short, later = leaks_of(panel)
    once = _Fitted(random.name, random.fit(panel))
    table = backtest(panel, (short.base, short, later, once), split, progress)
    rows = [panel.positions[name] for name in table["unique_id"]]
    weeks = np.searchsorted(panel.periods, table["ds"].to_numpy())
    held_out = random.held_out[rows, weeks]
    everything = np.ones_like(held_out)
    found = []
    for leak, judged in ((random, held_out), (short, everything), (later, everything)):
        some = table[judged]
        y, holiday = some["y"].to_numpy(), some["holiday"].to_numpy()
        claimed, honest = some[leak.name].to_numpy(), some[short.base.name].to_numpy()
        found.append(
            Claim(
                leak.name,
                len(some),
                wmae(y, claimed, holiday),
                wmae(y, honest, holiday),
                wape(y, claimed),
                wape(y, honest),
            )
        )
    return found


def claims_table(found: Sequence[Claim]) -> str:
    """Return a Markdown table, one line a leak: what it claims beside what is honest."""
    lines = [
        "| leak                        | rows | WMAE claimed |  honest | WAPE claimed | honest |",
        "| --------------------------- | ---: | -----------: | ------: | -----------: | -----: |",
    ]
    lines += [
        f"| {of.leak:<27} | {of.predictions:>4} | {of.claimed_wmae:>12,.0f} "
        f"| {of.honest_wmae:>7,.0f} | {of.claimed_wape:>12.2%} | {of.honest_wape:>6.2%} |"
        for of in found
    ]
    return "\n".join(lines)
