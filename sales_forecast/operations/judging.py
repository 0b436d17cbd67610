"""Forecasts judged by what was sold: every issue of every period that became known.

Takes a database of forecasts and the panel that it holds now, adds what is not yet judged to
`scores_realised`, gives what to say of it. The median of a series is judged, and the mean of a sum;
the bias is that of means. Must not forecast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from sales_forecast.data.forecasts.realised_scores import RealisedScores, Said, Score
from sales_forecast.data.forecasts.score_tables import ALL, SUMS
from sales_forecast.data.forecasts.stored_scores import StoredScores
from sales_forecast.data.frequency import counted
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation.error_sums import Measures, measures
from sales_forecast.operations.period_scores import Spreads, scores_of
from sales_forecast.operations.slices import Slices


@dataclass(frozen=True)
class Judged:
    """What was judged.

    Attributes:
        periods: how many of them, `week` or `day` each.
        step: how many periods ahead the nearest forecasts of best models were.
        measures: of these on single series.
    """

    periods: int
    unit: str
    step: int
    measures: Measures

    def sentence(self) -> str:
        """Say it in a line."""
        end = _shown(self.measures, self.step, self.unit)
        return f"Judged {counted(self.periods, self.unit)} of forecasts{end}"


def judge(url: str, panel: Panel, progress: Callable[[str], None]) -> Judged | None:
    """Judge what is not yet judged; None where there is nothing.

    `panel`: all that the database of a URL holds. Each period is one transaction: the next call
    completes one that was killed. `progress` is told of each. Raises DatabaseError, NotReady.
    """
    of_step: dict[int, list[Score]] = {}
    periods, of_panel = 0, _OfPanel(panel)
    with closing(RealisedScores(url)) as scores:
        targets = scores.unjudged(panel, of_panel.facts)
        for number, target in enumerate(targets, 1):
            unit = panel.frequency.unit
            progress(f"judging forecasts: {unit} {number} of {len(targets)}, {target}")
            facts, scored = of_panel.facts(target), partial(of_panel.scores, target)
            found = [of for of in scores.judge(panel, target, facts, scored) if _counts(of)]
            periods += bool(found)
            for score in found:
                if score.issue.role == "best":
                    of_step.setdefault(score.issue.step, []).append(score)
    if not periods:
        return None
    nearest = min(of_step, default=0)
    totals = {name: sum(of.sums[name] for of in of_step.get(nearest, [])) for name in SUMS}
    return Judged(periods, panel.frequency.unit, nearest, measures(totals))


def judged_before(url: str, unit: str) -> str:
    """Say how forecasts of one period ahead did in the newest period that was judged.

    Raises DatabaseError, NotReady.
    """
    with closing(StoredScores(url)) as scores:
        found = scores.by_period(1, 1)
    if not found:
        return "No forecast has come true yet."
    ((period, sums),) = found.items()
    return f"The newest {unit}, {period}, was judged before{_shown(measures(sums), 1, unit)}"


def _shown(of: Measures, step: int, unit: str) -> str:
    ahead = f"one {unit}" if step == 1 else counted(step, unit)
    told = [f"WAPE {of.wape:.1%} {ahead} ahead"] if np.isfinite(of.wape) else []
    told += [f"baseline {of.baseline_wape:.1%}"] if np.isfinite(of.baseline_wape) else []
    return f": {', '.join(told)}." if told else "."


def _counts(score: Score) -> bool:
    return (score.level, score.slice) == ("series", ALL) and score.sums["n"] > 0


class _OfPanel:
    """What all periods of a panel are judged with."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._slices = Slices(panel)
        self._spreads = Spreads()

    def _column(self, target: date) -> int:
        return (target - self._panel.first).days // self._panel.frequency.days

    def facts(self, target: date) -> str:
        """Return SHA-256 of what a period is judged by: sales, and which of them are of a holiday.

        A series that did not sell then does not matter.
        """
        panel, column = self._panel, self._column(target)
        sold = panel.y[:, column]
        known = np.flatnonzero(~np.isnan(sold))
        digest = hashlib.sha256("\n".join(panel.series[row] for row in known).encode())
        for of in (sold, panel.holidays[:, column]):
            digest.update((of[known] + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()

    def scores(self, target: date, said: Said) -> Iterator[Score]:
        """Yield the scores of one period on all levels and slices."""
        column = self._column(target)
        origins = [max(self._column(issue.origin), 0) for issue in said.issues]
        slices = self._slices.of(column, origins)
        return scores_of(self._panel, column, said, slices, self._spreads)
