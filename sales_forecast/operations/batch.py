"""What is expected of every series, issued into the database.

Takes a panel and settings, gives a sentence. The same answers as `/forecast_sales?model=best`, of
the same bundle, without a service; beside them those of the growth baseline, for who compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.fallback import load_for
from sales_forecast.bundles.fitting import check_fits
from sales_forecast.bundles.location import locate
from sales_forecast.bundles.manifest import SUMS_AS_JSON
from sales_forecast.data.far_plans import far_plans
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.issue_rows import FormerIssue
from sales_forecast.data.forecasts.issuing import ForecastTable, Issue, Role
from sales_forecast.data.forecasts.plan_rows import PlanTables
from sales_forecast.data.frequency import DAILY, SEASON_LENGTH, WEEKLY, counted
from sales_forecast.data.panel import LARGEST_SALES, Panel
from sales_forecast.errors import NoForecasts
from sales_forecast.models.naive import GROWTH
from sales_forecast.models.spread import SpreadByAge
from sales_forecast.planning.plan import renew_all
from sales_forecast.planning.reforecast import Changes, changes_since
from sales_forecast.prediction.cautions import cautions
from sales_forecast.prediction.forecast import forecast, mean, quantiles
from sales_forecast.settings import Settings

HORIZONS = {WEEKLY: SEASON_LENGTH, DAILY: 90}
"""So many periods ahead are forecast, where FORECAST_HORIZON says nothing else."""


def write_forecasts(settings: Settings, panel: Panel, progress: Callable[[str], None]) -> str:
    """Forecast every series of a panel with the bundle of MODEL_URI; say what was written.

    `panel`: all that the database holds. Raises BundleRefused, RegistryError, DatabaseError;
    NoForecasts where a plan is so mistyped that sales would have no bounds; NotReady where the
    stored series are not those of the panel any more.
    """
    progress("letting the model prove itself")
    location = locate(settings)
    folder = location.find(Event())
    bundle = load_for(panel, folder)
    location.keep(folder)
    horizon = settings.forecast_horizon or HORIZONS[panel.frequency]
    with closing(ForecastTable(settings.database_url)) as table:
        if table.is_issued(panel, bundle.version, horizon):
            return _nothing_new(bundle, panel, horizon)
        progress("forecasting")
        issues = list(issues_of(bundle, panel, horizon))
        _refuse_what_has_no_bounds(issues, panel)
        if former := _former(settings, panel):
            progress("finding out what changed since the last forecasts")
            changes = changes_since(
                former,
                bundle,
                panel,
                horizon,
                url=settings.database_url,
                bundles=folder.parent,
            )
            issues = _explained(issues, changes, former)
        progress("writing")
        written = table.write(panel, issues, datetime.now(UTC), then=renew_all)
    if not written.forecasts:
        return _nothing_new(bundle, panel, horizon)
    best, baseline, *_ = issues
    n_series = int((~np.isnan(best.mean[:, 0])).sum())
    models = " and ".join(dict.fromkeys((best.model, baseline.model)))
    told = (
        f"Wrote {written.forecasts:,} forecasts of {n_series:,} series, "
        f"{counted(horizon, panel.frequency.unit)} after {panel.last}, by {models} of model "
        f"{bundle.version}."
    )
    if written.thinned:
        told += f" Thinned {written.thinned:,} of old origins, more than 13 weeks ahead."
    return told


def _refuse_what_has_no_bounds(issues: list[Issue], panel: Panel) -> None:
    for issue in issues:
        wrong = ~np.isnan(issue.mean) & ~(np.abs(issue.mean) < LARGEST_SALES)
        if wrong.any():
            row, step = np.argwhere(wrong)[0].tolist()
            raise NoForecasts(
                f"The forecast of {panel.series[row]}, {panel.after(step + 1)[-1]}, has no bounds, "
                f"and nothing was written. {' '.join([*far_plans(panel)])} Load the right one over "
                "it, then run again."
            )


def _former(settings: Settings, panel: Panel) -> FormerIssue | None:
    assert panel.spec is not None  # noqa: S101 - as every panel of a database has
    with closing(PlanTables(settings.database_url)) as tables, tables.reading(panel.spec) as rows:
        return rows.issues.former()


def _explained(issues: list[Issue], changes: Changes, former: FormerIssue) -> list[Issue]:
    """Return issues beside which stands what changed since a former one."""
    best, *others = issues
    nothing = np.full(best.mean.shape, np.nan)
    between = [
        Issue(of.role, of.model, of.version, of.mean, dict.fromkeys(QUANTILES, nothing))
        for of in changes.between
    ]
    return [replace(best, changes=changes.told(former.id)), *others, *between]


def _nothing_new(bundle: Bundle, panel: Panel, horizon: int) -> str:
    return (
        f"Nothing changed: model {bundle.version} has forecast "
        f"{counted(horizon, panel.frequency.unit)} after {panel.last} from these sales already."
    )


def issues_of(bundle: Bundle, panel: Panel, horizon: int) -> Iterator[Issue]:
    """Yield what the best model and the growth baseline expect of a panel.

    Raises BundleRefused for a bundle of another panel.
    """
    check_fits(bundle, panel)
    manifest = bundle.manifest
    best = manifest.answered_by.best
    roles: dict[Role, str] = {"best": best, "baseline": GROWTH.name}
    expected = forecast({GROWTH.name: GROWTH, best: bundle.models[best]}, panel, horizon)
    said = cautions(panel)
    for role, model in roles.items():
        measured = bundle.spreads.get(model, SpreadByAge.none())
        at = quantiles(measured, panel, expected[model], [*QUANTILES.values()])
        yield Issue(
            role=role,
            model=model,
            model_version=bundle.version,
            mean=mean(measured, expected[model]),
            quantiles=dict(zip(QUANTILES, np.moveaxis(at, 2, 0), strict=True)),
            sums=SUMS_AS_JSON.dump_json(manifest.sums.get(model, {})).decode(),
            note=manifest.note,
            cautions=said,
        )
