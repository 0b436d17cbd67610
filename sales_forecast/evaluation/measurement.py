"""A backtest, or a forecast, as it is handed out: text for the terminal, contents of files.

Takes a panel, a protocol and the table that it gave. Writes and prints nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sales_forecast.data.frequency import DAILY
from sales_forecast.data.inert import inert
from sales_forecast.data.panel import Panel
from sales_forecast.evaluation import figures, report, segments
from sales_forecast.evaluation.backtest import KEY_COLUMNS
from sales_forecast.evaluation.metrics import Scores
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.evaluation.scoring import column_of, models_in, scores
from sales_forecast.features.passing import told
from sales_forecast.models.spread import DECILES
from sales_forecast.prediction.cautions import cautions


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a backtest of a panel measured: its table, with intervals."""

    panel: Panel
    split: RollingOrigin
    table: pd.DataFrame

    @cached_property
    def _scores(self) -> Mapping[str, Scores]:
        return scores(self.table, percentages=self.panel.frequency == DAILY)

    @cached_property
    def _leaders(self) -> tuple[str, ...]:
        return segments.leaders(self._scores)

    @cached_property
    def _segments(self) -> tuple[segments.Segment, ...]:
        return segments.segment_scores(self.panel, self.table)

    def text(self, *, by_segment: bool) -> str:
        """Return the protocol in a sentence and the scores as Markdown tables."""
        tables = [report.score_table(self._as_dicts())]
        if by_segment:
            tables += [report.segment_table(found, self._leaders) for found in self._segments]
        protocol, panel = self.split, self.panel
        said = (*panel.notes, *told(panel), protocol.describe(panel), *protocol.left_out(panel))
        return "\n".join(said) + "\n" + "\n\n".join(tables)

    def predictions(self, *, for_spreadsheets: bool = False) -> str:
        """Return every prediction as CSV, as `forecast_csv`."""
        return _csv(self.table, for_spreadsheets=for_spreadsheets)

    def summary(self) -> str:
        """Return the protocol, what data it was, and the scores as JSON."""
        content = {
            "protocol": {
                name: getattr(self.split, name) for name in ("horizon", "windows", "step")
            },
            "data_fingerprint": self.panel.fingerprint,
            "rows": len(self.table),
            "scores": self._as_dicts(),
        }
        return json.dumps(content, indent=1) + "\n"

    def figures(self) -> Mapping[str, bytes]:
        """Return name of a file -> PNG: errors by step, and in all other segments."""
        steps = segments.step_scores(self.panel, self.table)
        others = [found for found in self._segments if found.name != steps.name]
        return {
            "steps.png": figures.steps_plot(steps, self._leaders),
            "segments.png": figures.segments_plot(self._scores, others, self._leaders),
        }

    def _as_dicts(self) -> dict[str, dict[str, float]]:
        return {name: score.as_dict() for name, score in self._scores.items()}


def forecast_csv(panel: Panel, table: pd.DataFrame, *, for_spreadsheets: bool = False) -> str:
    """Return a table of `judged.forecast` as CSV; `warnings` say what little it stands on.

    `for_spreadsheets`: names that could be formulas are made inert.
    """
    said = cautions(panel)
    last = [said.get(name, "") for name in table["unique_id"]]
    return _csv(table, for_spreadsheets=for_spreadsheets, warnings=last)


def _csv(table: pd.DataFrame, *, for_spreadsheets: bool, **last: Sequence[str]) -> str:
    """Write a table: its keys, medians with intervals of 80%, then means and deciles."""
    models = models_in(table)
    near = [*models, *(f"{model}{end}" for model in models for end in ("_lo_80", "_hi_80"))]
    beside = {
        name: table[column]
        for model in models
        for name, column in {
            f"{model}_mean": f"{model}_mean",
            **{f"{model}_q{round(100 * tau)}": column_of(model, tau) for tau in DECILES},
        }.items()
    }
    keys = [name for name in KEY_COLUMNS if name in table and name != "holiday"]
    usual = {name: table[name] for name in (*keys, *near)}
    public = pd.DataFrame({**usual, "cutoff": table["cutoff"].dt.date, **beside, **last})
    if for_spreadsheets:
        public["unique_id"] = public["unique_id"].map(inert)
    return str(public.to_csv(index=False, date_format="%Y-%m-%d"))
