"""The growth baseline as a bundle: what answers where no other can.

Takes a panel and the reason, gives a bundle that was never written. It has no intervals: nothing of
it was measured.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.conformance import load_bundle
from sales_forecast.bundles.fitting import differences
from sales_forecast.bundles.manifest import AnsweredBy, Manifest, Origin, TrainingWindow
from sales_forecast.data.database import SAMPLE
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.errors import OlderBundle
from sales_forecast.models.naive import GROWTH

_ENOUGH, _ALIKE = 0.9, 0.01
"""The share of series, or of weeks, that a model must have seen; how far one may be corrected."""


def load_for(panel: Panel, folder: Path) -> Bundle:
    """Read a bundle and let it prove itself.

    The baseline answers for a bundle of an earlier release, and for one of other sales: a new
    release and a first load of real sales are then no reason to go back. Raises BundleRefused.
    """
    try:
        bundle = load_bundle(folder)
    except OlderBundle as error:
        return growth_bundle(panel, error.message)
    stranger = _of_other_sales(bundle, panel)
    return bundle if stranger is None else growth_bundle(panel, stranger)


def _of_other_sales(bundle: Bundle, panel: Panel) -> str | None:
    """Return why a model says nothing of these sales: it learned from others. None if it fits."""
    if differences(bundle, panel):
        return None  # that is refused, with both named
    series = bundle.manifest.training.series
    known = sum(name in panel.positions for name in series)
    if known < _ENOUGH * len(series):
        return (
            f"The model {bundle.version} was trained on {len(series):,} series, of which {known:,} "
            "are among these sales. Run `python train.py`."
        )
    if bundle.origin.source == SAMPLE and not _is_sample(panel):
        return (
            f"The model {bundle.version} was trained on the generated sample, and these are other "
            "sales. Run `python train.py`."
        )
    return None


def _is_sample(panel: Panel) -> bool:
    sample = sample_rows().to_panel()
    names = [name for name in sample.series if name in panel.positions]
    periods, here, there = np.intersect1d(panel.periods, sample.periods, return_indices=True)
    if not names or not len(periods):
        return False
    mine, its = panel.select(names).y[:, here], sample.select(names).y[:, there]
    return float(np.isclose(mine, its, rtol=_ALIKE).mean()) >= _ENOUGH


def growth_bundle(panel: Panel, reason: str) -> Bundle:
    """Return the baseline of a panel; `reason` is what callers are told with every answer."""
    name = GROWTH.name
    manifest = Manifest(
        kind="baseline",
        note=f"{reason} Until then the growth baseline answers: sales of the same period a year "
        "before, times the growth of the last 8 weeks.",
        spec=panel.spec,
        training=TrainingWindow.of(panel),
        feature_names=(),
        answered_by=AnsweredBy.by(name),
        models={},
        things=(),
        conformance=None,
        condition_ranges={},
        intervals={},
        scores={},
        checksums={},
    )
    now = datetime.now(UTC).replace(microsecond=0)
    origin = Origin(trained_at=now, git_commit=None, code="", source="the history at start")
    return Bundle(f"{panel.last}-baseline", manifest, origin, {name: GROWTH}, {}, None)
