"""An LSTM, global and direct: what a recurrent network makes of the weeks before the origin.

Takes panels, gives sales. One network for all stores reads half a year of log sales without
their calendar part, the store's and the chain's, and says all steps at once. Its sizes are a
choice from principle. Needs torch, an extra of its own: nothing imports this but who asks for it.

Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sales_forecast.compute.threads import one_thread
from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Array, Panel
from sales_forecast.features.calendar_effects import Profile
from sales_forecast.features.features import LARGEST_CHANGE, History
from sales_forecast.models.base import FutureConditions, too_short
from sales_forecast.models.pooled import fit_profile

MIN_WEEKS = SEASON_LENGTH + 13
STEPS = 13
"""A quarter is said at once; further ahead the last of it stands."""
_INPUT_WEEKS, _LEVEL_WEEKS = 26, 8
_HIDDEN, _EPOCHS, _BATCH, _RATE, _DECAY, _SEED = 24, 12, 256, 5e-3, 0.01, 0


def _read(adjusted: Array) -> tuple[Array, Array]:
    """Return what the network is shown with each week as the origin: a level, and the weeks.

    `adjusted`: float64[n_series, n_periods], log sales without their calendar part; a gap is
    filled with the value before it. The level, of the same shape, is the mean of the last 8
    weeks, NaN before the first known one. The weeks are float64[n_series, n_periods, 26, 2],
    store and chain against that level, 0 before the first known one.
    """
    known = np.where(np.isnan(adjusted), 0, np.arange(adjusted.shape[1]))
    filled = np.take_along_axis(adjusted, np.maximum.accumulate(known, axis=1), axis=1)
    before = np.full((len(adjusted), _INPUT_WEEKS - 1), np.nan)
    weeks = _windows(np.hstack([before, filled]), _INPUT_WEEKS)
    level = _known_mean(weeks[..., -_LEVEL_WEEKS:], axis=2)
    store = np.clip(weeks - level[..., None], -LARGEST_CHANGE, LARGEST_CHANGE)
    chain = np.broadcast_to(_known_mean(store, axis=0), store.shape)
    return level, np.nan_to_num(np.stack([store, chain], axis=-1))


def _targets(adjusted: Array, level: Array) -> Array:
    """Return float64[n_series, n_periods, 13]: the weeks after each origin against its level."""
    after = np.full((len(adjusted), STEPS), np.nan)
    weeks = _windows(np.hstack([adjusted, after])[:, 1:], STEPS)
    return np.clip(weeks - level[..., None], -LARGEST_CHANGE, LARGEST_CHANGE)


def _windows(values: Array, weeks: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(values, weeks, axis=1)


def _known_mean(values: Array, axis: int) -> Array:
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis), known.sum(axis)
    mean: Array = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


@dataclass(frozen=True, eq=False)
class _Network:
    """Weeks in, a change of log sales against their level out, both in units of `scale`."""

    recurrent: nn.LSTM
    head: nn.Linear
    scale: float

    def __call__(self, weeks: torch.Tensor) -> torch.Tensor:
        """Return float32[n, 13] of float32[n, 26, 2]."""
        states, _ = self.recurrent(weeks)
        return self.head(states[:, -1])


def _train(weeks: Array, targets: Array) -> _Network:
    """Fit a network to float64[n, 26, 2] and float64[n, 13]; a target of NaN teaches nothing."""
    scale = float(np.sqrt(np.nanmean(np.square(targets)))) or 1.0
    known = torch.from_numpy(~np.isnan(targets))
    x = torch.from_numpy(weeks / scale).float()
    y = torch.from_numpy(np.nan_to_num(targets) / scale).float()
    torch.manual_seed(_SEED)
    network = _Network(nn.LSTM(2, _HIDDEN, batch_first=True), nn.Linear(_HIDDEN, STEPS), scale)
    for parameter in network.head.parameters():
        nn.init.zeros_(parameter)  # it begins by saying that sales stay at their level
    parameters = [*network.recurrent.parameters(), *network.head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=_DECAY)
    fading = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / _EPOCHS, _EPOCHS)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(x)).split(_BATCH):
            said, sold = network(x[rows])[known[rows]], y[rows][known[rows]]
            optimizer.zero_grad()
            nn.functional.smooth_l1_loss(said, sold).backward()
            optimizer.step()
        fading.step()
    return network


@dataclass(frozen=True, eq=False)
class FittedLstm:
    """One network, and the calendar profile that it stands on."""

    network: _Network
    profile: Profile

    def predict(
        self, history: Panel, horizon: int, conditions: FutureConditions | None = None
    ) -> Array:
        """See `base.FittedForecaster.predict`. Conditions are not used."""
        del conditions
        past = History(history, self.profile)
        level, weeks = (values[:, -1] for values in _read(past.adjusted))
        with torch.no_grad(), one_thread():
            said = self.network(torch.from_numpy(weeks / self.network.scale).float())
        change = self.network.scale * said.double().numpy()
        series, _, target = past.ahead(horizon)
        calendar = past.calendar(series, target).reshape(-1, horizon)
        step = np.minimum(np.arange(horizon), STEPS - 1)
        return np.exp(calendar + level[:, None] + change[:, step])


@dataclass(frozen=True)
class LstmForecaster:
    """A recurrent network on what the calendar leaves over, one for all stores."""

    name: str = "lstm"

    def fit(self, panel: Panel) -> FittedLstm:
        """Learn from all of `panel`. Raises NotEnoughData where no store has 65 weeks."""
        if not ((panel.y > 0).sum(axis=1) >= MIN_WEEKS).any():
            raise too_short(panel, "An LSTM", MIN_WEEKS)
        profile = fit_profile(panel)
        adjusted = History(panel, profile).adjusted
        level, weeks = _read(adjusted)
        targets = _targets(adjusted, level)
        read = np.arange(panel.n_periods) >= _INPUT_WEEKS - 1
        teaches = read & ~np.isnan(targets).all(axis=2)
        # Small matrices: on busy cores threads cost tenfold. Seeds outside stay as they are.
        with one_thread(), torch.random.fork_rng(devices=[]):
            return FittedLstm(_train(weeks[teaches], targets[teaches]), profile)


LSTM = LstmForecaster()
