"""The growth baseline as a bundle: what answers where no other can.

Takes a panel and the reason, gives a bundle that was never written. It has no intervals: nothing of
it was measured.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.conformance import load_bundle
from sales_forecast.bundles.manifest import AnsweredBy, Manifest, Origin, TrainingWindow
from sales_forecast.data.panel import Panel
from sales_forecast.errors import OlderBundle
from sales_forecast.models.naive import GROWTH


def load_for(panel: Panel, folder: Path) -> Bundle:
    """Read a bundle and let it prove itself; the baseline answers for one of an earlier release.

    A deployment of a new release is then no reason to go back: it answers, and says what to do.
    Raises BundleRefused.
    """
    try:
        return load_bundle(folder)
    except OlderBundle as error:
        return growth_bundle(panel, error.message)


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
