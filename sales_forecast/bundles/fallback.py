"""The growth baseline as a bundle: what answers where no other can.

Takes a panel and the reason, gives a bundle that was never written. It has no quantiles: nothing of
it was measured.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.cells import Found, found
from sales_forecast.bundles.conformance import load_bundle
from sales_forecast.bundles.fitting import differences
from sales_forecast.bundles.manifest import AnsweredBy, Manifest, Origin, TrainingWindow
from sales_forecast.data.admission import SAMPLE
from sales_forecast.data.panel import Panel
from sales_forecast.errors import OlderBundle
from sales_forecast.models.naive import GROWTH, GROWTH_ANSWERS

_HELD, _CHANGED = 0.9, 0.1
"""The least share of its sales that a model must find again; the most of these that may differ."""


def load_for(panel: Panel, folder: Path, answering: Bundle | None = None) -> Bundle:
    """Read a bundle and let it prove itself.

    The baseline answers for a bundle of another release, and for one of other sales: a new
    release and a first load of real sales are then no reason to go back. One that has seen later
    sales than the panel has says so. Raises BundleRefused; OlderBundle where a model is `answering`
    already, which the baseline is not to replace.
    """
    try:
        bundle = load_bundle(folder)
    except OlderBundle as error:
        if answering is not None and answering.digest is not None:
            raise
        return growth_bundle(panel, error.message)
    if bundle.cells is None or differences(bundle, panel):
        return bundle  # nothing is known of its sales; or it is refused, with both forms named
    training = bundle.manifest.training
    others = _others(bundle, found(bundle.cells, training.series, training.first_week, panel))
    if others is not None:
        return growth_bundle(panel, f"The model {bundle.version} was trained on {others}")
    return bundle if training.last_week <= panel.last else _with_note(bundle, panel.last)


def _others(bundle: Bundle, of: Found) -> str | None:
    """Return which other sales a bundle was trained on, and the remedy. None if on these."""
    if of.held >= _HELD * of.asked and of.changed <= _CHANGED * of.held:
        return None
    if bundle.origin.source == SAMPLE:
        return "the generated sample, and these are other sales. Run `python train.py`."
    counts = f"{of.held:,} are here" + (f", and {of.changed:,} differ" if of.changed else "")
    return f"other sales: of {of.asked:,} of them {counts}. Run `python train.py`."


def _with_note(bundle: Bundle, last: date) -> Bundle:
    manifest = bundle.manifest
    late = (
        f"The model {bundle.version} was trained on sales until {manifest.training.last_week}, and "
        f"the database's end with {last}: load the newer ones (`python database_loader.py`)."
    )
    note = " ".join(filter(None, [manifest.note, late]))
    return replace(bundle, manifest=manifest.model_copy(update={"note": note}))


def growth_bundle(panel: Panel, reason: str) -> Bundle:
    """Return the baseline of a panel; `reason` is what callers are told with every answer."""
    name = GROWTH.name
    manifest = Manifest(
        kind="baseline",
        note=f"{reason} {GROWTH_ANSWERS}",
        spec=panel.spec,
        training=TrainingWindow.of(panel),
        feature_names=(),
        answered_by=AnsweredBy.by(name),
        models={},
        things=(),
        conformance=None,
        condition_ranges={},
        spreads={},
        scores={},
        checksums={},
    )
    now = datetime.now(UTC).replace(microsecond=0)
    origin = Origin(trained_at=now, git_commit=None, code="", source="the history at start")
    return Bundle(f"{panel.last}-baseline", manifest, origin, {name: GROWTH}, {}, None, None, None)
