"""All rules over one's own history, as if it were live: what would have rung, and how often.

Takes a panel and a model's name, gives every alarm, alarms a year (here, and over histories that
are drawn from its weeks), and how soon planted shifts are found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from sales_forecast.data.alarms import Alarm
from sales_forecast.data.frequency import SEASON_LENGTH
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.evaluation.protocols import LARGE_PANEL
from sales_forecast.models import catalogue
from sales_forecast.models.base import Forecaster
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.operations.monitoring.errors import Errors, errors_of
from sales_forecast.operations.monitoring.planting import WEEKS, Found, weeks_to_find
from sales_forecast.operations.monitoring.rules import WARM_UP
from sales_forecast.operations.monitoring.walk import walk
from sales_forecast.operations.monitoring.watch import alarms, judged_weeks, known_weeks

HISTORIES: Final = 200
_BLOCK = 8
"""Weeks that are drawn together: errors of neighbouring weeks are alike."""


@dataclass(frozen=True)
class Replay:
    """What the rules say of a history.

    Attributes:
        model: whose errors they judge.
        first: the first week that is judged.
        judged_weeks: how many they are.
        resampled: rule -> alarms a year over `HISTORIES` drawn ones.
        to_find: name of a planted shift -> how soon it is found.
    """

    model: str
    first: str
    last: str
    judged_weeks: int
    alarms: tuple[Alarm, ...]
    resampled: Mapping[str, float]
    to_find: Mapping[str, Found]

    @property
    def a_year(self) -> float:
        """Alarms a year."""
        return len(self.alarms) * SEASON_LENGTH / self.judged_weeks

    @property
    def doubt(self) -> str:
        """How little so few weeks can show."""
        error = max(len(self.alarms), 1) ** 0.5 * SEASON_LENGTH / self.judged_weeks
        return (
            f"{self.judged_weeks} weeks show no more than {self.a_year:.1f} +- {error:.1f} alarms "
            "a year."
        )

    def summary(self) -> dict[str, object]:
        """Return all of it as JSON has it."""
        return {
            "model": self.model,
            "first_week": self.first,
            "last_week": self.last,
            "judged_weeks": self.judged_weeks,
            "alarms": [alarm.as_json() for alarm in self.alarms],
            "alarms_per_year": round(self.a_year, 3),
            "alarms_per_year_resampled": round(sum(self.resampled.values()), 3),
            "resampled": {
                "histories": HISTORIES,
                "by_rule": {rule: round(rate, 3) for rule, rate in self.resampled.items()},
            },
            "weeks_to_find": {name: asdict(found) for name, found in self.to_find.items()},
            "note": self.doubt,
        }

    def text(self) -> str:
        """Return all of it in lines."""
        drawn = ", ".join(f"{rule} {rate:.2f}" for rule, rate in self.resampled.items())
        return "\n".join([
            f"{self.model}, {self.judged_weeks} weeks judged, {self.first} .. {self.last}",
            f"Alarms: {len(self.alarms)}, {self.a_year:.2f} a year. {self.doubt}",
            *(f"- {alarm.rule}: {alarm.message}" for alarm in self.alarms),
            f"{sum(self.resampled.values()):.2f} a year over {HISTORIES} drawn histories: {drawn}.",
            "Weeks until planted shifts are found, the model refitted on the shifted sales:",
            *(f"- {of.replace('_', ' ')}: {_told(found)}" for of, found in self.to_find.items()),
        ])  # fmt: skip


def _told(found: Found) -> str:
    middle = f"{found.median_weeks:g}" if found.median_weeks else f"more than {WEEKS}"
    return (
        f"{middle} in the median, {found.within_4:.0%} within 4, {found.within_8:.0%} within 8 "
        f"(of {found.plants})"
    )


def replay(panel: Panel, model: str | None, progress: Callable[[str], None]) -> Replay:
    """Run all rules over a history as if it were live.

    `model`: a name of the catalogue; None: ARIMA, of many series or days the pooled process.
    Raises NotEnoughData, SettingsError.
    """
    forecaster = _forecaster(panel, model)
    walked = walk(panel, forecaster, progress)
    errors = errors_of(walked.panel, walked.expected)
    n_judged = judged_weeks(errors)
    if n_judged < _BLOCK:
        raise NotEnoughData(
            f"The rules measure {WARM_UP} weeks before they judge one, histories are drawn in "
            f"blocks of {_BLOCK}, and of {known_weeks(errors)} whole weeks there are sales and "
            "forecasts above 0. Load more.",
            {"weeks": known_weeks(errors), "needed": WARM_UP + _BLOCK},
        )
    progress(f"drawing {HISTORIES} histories")
    return Replay(
        model=forecaster.name,
        first=str(errors.weeks[-n_judged]),
        last=str(errors.weeks[-1]),
        judged_weeks=n_judged,
        alarms=tuple(raised.alarm for raised in alarms(errors)),
        resampled=resampled(errors),
        to_find=weeks_to_find(walked, errors, progress),
    )


def resampled(errors: Errors) -> Mapping[str, float]:
    """Return rule -> alarms a year over `HISTORIES` of judged weeks, drawn in blocks.

    Weeks are drawn for all series together, in the standard deviations in which they were judged,
    so that series that err together still do. Incidents that were real are drawn as well.
    """
    n_judged = len(errors.weeks) - WARM_UP
    blocks = -(-n_judged // _BLOCK)
    starts = np.random.default_rng(0).integers(0, n_judged - _BLOCK + 1, (HISTORIES, blocks))
    drawn = (starts[:, :, None] + np.arange(_BLOCK)).reshape(HISTORIES, -1)[:, :n_judged]
    measured = np.tile(np.arange(WARM_UP), (HISTORIES, 1))
    weeks = np.concatenate([measured, WARM_UP + drawn], axis=1)
    rings = {}
    for signal in errors.signals():
        z = np.moveaxis(signal.standardised(errors)[:, weeks], 0, 1)
        rings[signal.rule.name] = int(signal.sums(z).rings.sum())
    years = HISTORIES * n_judged / SEASON_LENGTH
    return {rule: count / years for rule, count in rings.items()}


def _forecaster(panel: Panel, model: str | None) -> Forecaster:
    many = panel.n_series >= LARGE_PANEL or panel.frequency.a_week > 1
    name = model or ("pooled" if many else "arima")
    known = {of.name: of for of in catalogue.with_members(*BOOSTED)}
    if name not in known:
        raise SettingsError(f"--model: unknown {name}. Known: {', '.join(sorted(known))}.")
    return known[name]
