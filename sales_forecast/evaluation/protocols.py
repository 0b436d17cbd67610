"""The protocols by which models are judged: which cutoffs, how far ahead.

Takes a panel, gives its cutoffs. Must not know models or scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sales_forecast.data.frequency import DAILY, SEASON_LENGTH, counted
from sales_forecast.data.panel import Days, Panel
from sales_forecast.errors import NotEnoughData
from sales_forecast.params import DEFAULTS, Params, Windows


@dataclass(frozen=True)
class RollingOrigin:
    """`windows` cutoffs, `step` weeks apart, each predicting `horizon` weeks (or days).

    Of the last `windows * step` cutoffs that leave a whole horizon, every `step`-th, oldest
    first: protocols of equal `windows * step + horizon` start in the same week.
    """

    horizon: int
    windows: int
    step: int

    def __post_init__(self) -> None:
        for name in ("horizon", "windows", "step"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def weeks(self) -> int:
        """The number of weeks from the first cutoff (exclusive) that the protocol needs."""
        return self.windows * self.step + self.horizon - 1

    @property
    def least(self) -> int:
        """The number of weeks that a single window of the protocol needs."""
        return self.step + self.horizon - 1

    def cutoffs(self, panel: Panel) -> Days:
        """Return the last known week of each window. Raises NotEnoughData with the numbers."""
        first = panel.n_periods - 1 - self.weeks
        unit = panel.frequency.unit
        if first < 0:
            raise NotEnoughData(
                f"{counted(self.windows, 'window')} of {counted(self.horizon, unit)}, {self.step} "
                f"apart, need more than {counted(self.weeks, unit)} of sales; there are "
                f"{panel.n_periods}. Reduce `windows`, `step` or `horizon`.",
                {"weeks": panel.n_periods, "needed": self.weeks + 1},
            )
        cutoffs: Days = panel.periods[first : panel.n_periods - self.horizon : self.step]
        return cutoffs

    def describe(self, panel: Panel) -> str:
        """Return the protocol in a sentence, with its dates."""
        cutoffs, unit = self.cutoffs(panel), panel.frequency.unit
        return (
            f"{counted(self.horizon, unit)} ahead, {counted(self.windows, 'window')} "
            f"{counted(self.step, unit)} apart, "
            f"cutoffs {cutoffs[0]} .. {cutoffs[-1]}, {panel.n_series} series"
        )

    def left_out(self, panel: Panel) -> tuple[str, ...]:
        """Say which of the newest periods no window has, if any: nobody sees it in the cutoffs."""
        if self.step == 1:
            return ()
        unit, first = panel.frequency.unit, panel.periods[1 - self.step]
        newest = counted(self.step - 1, unit)
        return (f"In no window: the newest {newest}, from {first} on; --step 1 judges all.",)

    def within(self, weeks: int) -> RollingOrigin | None:
        """Return the protocol with as many windows as `weeks` weeks hold; None if not even one."""
        windows = min(self.windows, (weeks - self.horizon + 1) // self.step)
        return RollingOrigin(self.horizon, windows, self.step) if windows > 0 else None


ONE_STEP_NAME, MANY_STEPS_NAME = "one_step", "many_steps"


def _protocols(windows: Windows) -> Mapping[str, RollingOrigin]:
    """Return P1, the job of `/predict_sales`, and P2, the job of `/forecast_sales`."""
    one, many = windows.one_step, windows.many_steps
    return {
        ONE_STEP_NAME: RollingOrigin(1, one.windows, one.step),
        MANY_STEPS_NAME: RollingOrigin(many.horizon, many.windows, many.step),
    }


PROTOCOLS = _protocols(DEFAULTS.windows.weekly)
"""Those of weekly sales, where nothing else was chosen."""
ONE_STEP, MANY_STEPS = PROTOCOLS.values()
LARGE_PANEL = 1_000
"""From so many series on fewer windows tell enough, and fewer models are tried (ADR 14)."""
MIN_WEEKS = SEASON_LENGTH + 13
"""From so many weeks on models are judged: a year, and a quarter that tells it from another."""


def protocols_of(panel: Panel, params: Params = DEFAULTS) -> Mapping[str, RollingOrigin]:
    """Return name -> protocol by which a panel is judged: one period ahead, and many."""
    windows = params.windows
    if panel.frequency == DAILY:
        return _protocols(windows.daily)
    return _protocols(windows.many_series if panel.n_series >= LARGE_PANEL else windows.weekly)
