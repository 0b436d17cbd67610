"""A year of every store, written into the database.

Takes settings, gives a sentence. The same answers as `/forecast_sales?model=best`, of the same
bundle, without a service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from threading import Event

from sales_forecast.bundles.location import locate
from sales_forecast.data.database import Database
from sales_forecast.data.forecast_table import ForecastRow, ForecastTable
from sales_forecast.data.panel import Panel
from sales_forecast.errors import InvalidRequest
from sales_forecast.prediction.conformance import load_predictor
from sales_forecast.prediction.engines import MAX_STEPS
from sales_forecast.prediction.predictor import Predictor
from sales_forecast.settings import Settings


def write_forecasts(settings: Settings, progress: Callable[[str], None]) -> str:
    """Forecast every store of the database with the bundle of MODEL_URI; say what was written.

    Raises BundleRefused, RegistryError, NotReady, DatabaseError.
    """
    progress("reading the sales")
    with closing(Database(settings.database_url)) as database:
        panel = database.read_panel()
    progress("letting the model prove itself")
    location = locate(settings)
    folder = location.find(Event())
    predictor = load_predictor(folder, panel)
    location.keep(folder)
    rows = list(forecast_rows(predictor, panel))
    progress("writing")
    with closing(ForecastTable(settings.database_url)) as table:
        table.replace(predictor.origin, rows)
    return (
        f"Wrote {len(rows):,} forecasts of {len({row.store for row in rows})} stores after "
        f"{predictor.origin}, by {predictor.forecasting['best']} of model {predictor.version}."
    )


def forecast_rows(predictor: Predictor, panel: Panel) -> Iterator[ForecastRow]:
    """Yield `MAX_STEPS` weeks of every store of a panel that the model can answer for."""
    for name in panel.series:
        with suppress(InvalidRequest):  # it never sold anything
            yield from _of_store(predictor, int(name))


def _of_store(predictor: Predictor, store: int) -> Iterator[ForecastRow]:
    narrow = predictor.forecast(store, MAX_STEPS, "best", 80)
    wide = predictor.forecast(store, MAX_STEPS, "best", 95)
    warnings = " ".join(predictor.warnings_for(store))
    for week, wider in zip(narrow, wide, strict=True):
        yield ForecastRow(
            origin=predictor.origin,
            store=store,
            week=week.week_ending,
            sales=week.sales,
            lower_80=week.lower,
            upper_80=week.upper,
            lower_95=wider.lower,
            upper_95=wider.upper,
            model=predictor.forecasting["best"],
            model_version=predictor.version,
            warnings=warnings,
        )
