"""What would have been forecast if less had changed: one input after the other, by the old model.

Takes the issue before, its bundle and the sales of now, gives the causes of the change in their
order, and the forecasts after each but the last. For the batch; what they come to is read by
`change`. Must not know how issues are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.fallback import growth_bundle, load_for
from sales_forecast.bundles.fitting import check_fits
from sales_forecast.data.forecasts.issue_rows import FormerIssue
from sales_forecast.data.panel import Array, Panel
from sales_forecast.data.panel_history import known_then, of_that_time
from sales_forecast.errors import BundleRefused
from sales_forecast.models.spread import SpreadByAge
from sales_forecast.prediction.forecast import forecast, mean

Step = Literal["covariates", "corrected_sales", "new_sales"]
NEW_MODEL, NOT_SPLIT = "new_model", "not_split"
_OF_BASELINE = "-baseline"
_TOLD_LATE = (
    "The sales known on {origin} cannot be had again as they were: sales or covariates of old "
    "periods were added later. What that changed is part of corrected_sales."
)
_GONE = "The bundle {version} cannot be asked any more: {reason}"


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What the old model would have expected of a panel after one cause more.

    `mean`: float64[n_series, horizon], as `issuing.Issue.mean`.
    """

    role: Step
    model: str
    version: str
    mean: Array


@dataclass(frozen=True, eq=False)
class Changes:
    """Causes in their order, what would have been forecast after each but the last, and notes."""

    causes: Sequence[str]
    between: Sequence[WhatIf]
    notes: Sequence[str] = ()

    def told(self, since: int) -> Mapping[str, object]:
        """Return what `issuing.Issue.changes` takes."""
        return {"since": since, "causes": [*self.causes], "notes": [*self.notes]}


def changes_since(
    former: FormerIssue, bundle: Bundle, panel: Panel, horizon: int, *, url: str, bundles: Path
) -> Changes:
    """Return what changed between an issue and one that a bundle makes of a panel now.

    `url`: of the database; `bundles`: the folder in which the bundle of the former issue is, if it
    is kept. Raises DatabaseError.
    """
    then = known_then(url, panel, former.origin, former.fingerprint)
    notes = [] if then is not None else [_TOLD_LATE.format(origin=former.origin)]
    steps = [*_steps(then, former, panel)]
    causes: list[str] = [cause for cause, _ in steps]
    if former.model_version != bundle.version and not _are_baselines(former, bundle):
        causes.append(NEW_MODEL)
    between = steps[: len(causes) - 1]
    if not between:
        return Changes(causes, [], notes)
    try:
        old = _old_bundle(former, bundles, bundle, panel)
        check_fits(old, panel)
    except BundleRefused as error:
        gone = _GONE.format(version=former.model_version, reason=error.message)
        return Changes([NOT_SPLIT], [], [gone])
    return Changes(causes, [*_what_ifs(old, former.model, between, panel, horizon)], notes)


def _steps(then: Panel | None, former: FormerIssue, panel: Panel) -> Iterator[tuple[Step, Panel]]:
    """Yield what changed of the panel that was known then, and the panel after that."""
    now = of_that_time(panel, former.origin)
    if then is not None and not _same({**then.conditions, **then.plan}, now):
        yield "covariates", replace(then, conditions=now.conditions, plan=now.plan)
    if then is None or not np.array_equal(then.y, now.y, equal_nan=True):
        yield "corrected_sales", now
    if panel.last > former.origin or panel.n_series > now.n_series:
        yield "new_sales", panel


def _same(tables: Mapping[str, Array], now: Panel) -> bool:
    others = {**now.conditions, **now.plan}
    return all(np.array_equal(of, others[name], equal_nan=True) for name, of in tables.items())


def _are_baselines(former: FormerIssue, bundle: Bundle) -> bool:
    return former.model_version.endswith(_OF_BASELINE) and bundle.version.endswith(_OF_BASELINE)


def _old_bundle(former: FormerIssue, bundles: Path, bundle: Bundle, panel: Panel) -> Bundle:
    """Return the bundle of an issue. Raises BundleRefused."""
    if former.model_version == bundle.version:
        return bundle
    if former.model_version.endswith(_OF_BASELINE):
        return growth_bundle(panel, "")
    old = load_for(panel, bundles / former.model_version)
    if old.version != former.model_version:  # the baseline would answer for it
        raise BundleRefused(old.manifest.note)
    return old


def _what_ifs(
    bundle: Bundle,
    model: str,
    steps: Sequence[tuple[Step, Panel]],
    panel: Panel,
    horizon: int,
) -> Iterator[WhatIf]:
    if model not in bundle.models:
        model = bundle.manifest.answered_by.best
    measured = bundle.spreads.get(model, SpreadByAge.none())
    for role, known in steps:
        late = (panel.last - known.last).days // panel.frequency.days
        expected = forecast({model: bundle.models[model]}, known, late + horizon)
        found = np.full((panel.n_series, horizon), np.nan)
        rows = [panel.positions[name] for name in known.series]
        found[rows] = mean(measured, expected[model])[:, late:]
        yield WhatIf(role, model, bundle.version, found)
