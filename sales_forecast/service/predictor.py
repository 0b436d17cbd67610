"""One verified bundle and one history: what answers requests.

Takes a bundle and a panel, gives answers by series and date, with their interval and their
warnings. Immutable: a new model or new sales make a new `Predictor`. Must not read files or
databases, and must not know HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from sales_forecast.bundles.bundle import Bundle
from sales_forecast.bundles.fitting import check_fits
from sales_forecast.bundles.manifest import ForecastChoice, IntervalLevel
from sales_forecast.data.far_plans import far_plans
from sales_forecast.data.panel import LARGEST_SALES, Panel
from sales_forecast.data.rows import STORES
from sales_forecast.errors import InvalidRequest, NoForecasts
from sales_forecast.service.answers import Answers
from sales_forecast.service.calendar import Calendar
from sales_forecast.service.covariates import Covariates
from sales_forecast.service.forms import Named, forms_of
from sales_forecast.service.otherwise import Otherwise
from sales_forecast.service.results import (
    Answer,
    Distribution,
    PeriodForecast,
    Provenance,
    rounded,
)
from sales_forecast.service.series import SeriesIndex
from sales_forecast.service.warned import Warned


class Predictor:
    """One verified bundle and one history.

    Attributes:
        version: the version of the bundle.
        origin: the last known period.
        bundle: the models.
        panel: the history.
        forms: what callers may send.
        provenance: which bundle, code and data.
        predicting: the model that answers `predict`.
        uses_covariates: whether it looks at any.
        forecasting: what `forecast` can be asked for, and the model that answers.
        series: the series that are known.
        usual: the choice that answers where none is made.
        otherwise: what would be answered if another plan were loaded.
        warnings: what callers must know of every answer.
    """

    def __init__(self, bundle: Bundle, panel: Panel) -> None:
        """Prepare everything. Raises BundleRefused: see `fitting.check_fits`."""
        manifest = bundle.manifest
        check_fits(bundle, panel)
        self.spec = panel.spec or STORES
        self.forms = forms_of(self.spec, panel.last.weekday())
        self.version = bundle.version
        self.origin = panel.last
        self.warnings = (manifest.note,) if manifest.note else ()
        serving = manifest.answered_by
        self.forecasting = serving.forecasts
        self.usual: ForecastChoice = "arima" if serving.forecast_sales == serving.arima else "best"
        self.bundle = bundle
        # Series that are newer than the model are answered for too.
        self.series = SeriesIndex(panel, self.spec)
        self.panel = panel
        self._calendar = Calendar(panel, self.spec)
        self.provenance = Provenance(bundle.digest, bundle.origin.git_commit, panel.fingerprint)
        self.predicting = serving.predict_sales
        self.most_steps = self.forms.most_steps
        self._periods = [period.item() for period in panel.after(self.most_steps)]
        self._answers = Answers(bundle, panel, self.most_steps)
        self.otherwise = Otherwise(bundle, panel, self._answers)
        self._covariates = Covariates(panel, self.spec, manifest.condition_ranges, self._answers)
        self._warned = Warned(panel, self._answers, self.warnings, self.most_steps)
        self.uses_covariates = self._answers.uses_conditions(self.predicting)

    @property
    def example(self) -> tuple[Named, date]:
        """A series and the period after the last known one, to show how it is asked."""
        return self.series.named[0], self._periods[0]

    def predict(self, series: Named, day: date, covariates: Sequence[float | None]) -> Answer:
        """Answer for the period that contains `day`.

        `covariates`: in the order of `forms.covariates`; None for one that is left out. A period
        within the history is answered as it would have been the one before. Raises UnknownSeries,
        InvalidRequest.
        """
        row = self.series.row(series, by_column=True)
        ending, period = self._calendar.place(day)
        step = max(period - self.panel.n_periods + 1, 1)
        told = covariates[: len(self.spec.past)]
        known = [math.nan if value is None else value for value in told]
        model = self.predicting
        answers, place = self._answers, row
        usual = estimate = answers.estimate(model, row, period, known)
        changed = self._covariates.otherwise(row, period, covariates) if self.spec.future else {}
        if changed:
            with np.errstate(over="ignore", invalid="ignore"):  # what has no bounds is refused
                answers, place = self.otherwise.of(model, row, period, changed)
                estimate = answers.estimate(model, place, period, known)
        warnings = [*self._warned.of_series(row, period), *self._covariates.unusual(model, told)]
        if differs := self._covariates.against_the_calendar(period, told):
            warnings.append(differs)
        if math.isnan(usual.prediction):
            names = {key.column: value for key, value in zip(self.spec.keys, series, strict=True)}
            before = f" before the {self._calendar.called(ending)}"
            raise self._no_sales(row, {**names, self.spec.date: str(day)}, before)
        if not abs(estimate.prediction) < LARGEST_SALES:
            raise self._covariates.too_far(row, changed) if changed else self._no_bounds(row)
        year_ago = answers.year_ago_known(model, place, period)
        if step > self.most_steps or not year_ago:
            about = self.series.shown(row), self._calendar.called(ending)
            warnings += self._warned.of_distance(*about, step, year_ago_known=year_ago)
        if self.spec.future:
            warnings += self._covariates.unplanned(row, period, covariates)
        if changed:
            means = round(usual.mean, 2), round(estimate.mean, 2)
            warnings += self._covariates.unmeasured(row, changed, *means)
        warnings += self._warned.of_intervals(model, row, step)
        return Answer(
            prediction=round(estimate.prediction, 2),
            period=ending,
            step=step,
            mean=round(estimate.mean, 2),
            interval_80=rounded(estimate.ends[80]),
            interval_95=rounded(estimate.ends[95]),
            models={name: round(value, 2) for name, value in estimate.members.items()},
            covariates=dict(self._covariates.used(model, row, period, covariates)),
            warnings=tuple(warnings),
        )

    def takes_long(self, series: Named, day: date, covariates: Sequence[float | None]) -> bool:
        """Tell whether `predict` would keep others waiting. Raises UnknownSeries, InvalidRequest.

        It does where another plan is supplied, and for the first question of a period within the
        history, if models have to be asked about all series.
        """
        supplied = any(value is not None for value in covariates[len(self.spec.past) :])
        if not supplied and day > self.origin:
            return False
        row = self.series.row(series, by_column=True)
        _, period = self._calendar.place(day)
        if not self._answers.is_prepared(self.predicting, row, period):
            return True
        return supplied and bool(self._covariates.otherwise(row, period, covariates))

    def forecast(
        self,
        series: Named,
        steps: int,
        choice: ForecastChoice | None = None,
        level: IntervalLevel = 80,
    ) -> Sequence[PeriodForecast]:
        """Return the `steps` periods after the last known one, by the model of a choice.

        `level`: percent of sales that the intervals are to hold. Raises UnknownSeries,
        InvalidRequest.
        """
        row = self.series.row(series, by_column=False)
        if not 1 <= steps <= self.most_steps:
            raise InvalidRequest(
                f"steps must be 1 to {self.most_steps}, not {steps}.", {"steps": steps}
            )
        model = self.forecasting[choice or self.usual]
        sales = self._answers.ahead.medians(model, row, steps)
        if math.isnan(sales[0]):
            names = {key.field: value for key, value in zip(self.spec.keys, series, strict=True)}
            raise self._no_sales(row, names)
        if any(abs(value) >= LARGEST_SALES for value in sales):
            raise self._no_bounds(row)
        ends = self._answers.ahead.ends(model, level, row, steps)
        return [
            PeriodForecast(period, round(value, 2), *(rounded(of) or (None, None)))
            for period, value, of in zip(self._periods, sales, ends, strict=False)
        ]

    def _no_bounds(self, row: int) -> NoForecasts:
        said = f"The plan that is loaded leaves sales of {self.series.shown(row)} without bounds."
        return NoForecasts(" ".join((said, *far_plans(self.panel), "Load the right one over it.")))

    def _no_sales(self, row: int, names: Mapping[str, int | str], when: str = "") -> InvalidRequest:
        shown = self.series.shown(row)
        return InvalidRequest(f"{shown[:1].upper()}{shown[1:]} has no known sales{when}.", names)

    def means(self, series: Named, steps: int, choice: ForecastChoice | None) -> list[float]:
        """Return what is sold on average in the periods of `forecast`, to cents."""
        row = self.series.row(series, by_column=False)
        model = self.forecasting[choice or self.usual]
        return self._answers.ahead.means(model, row, steps)

    def distribution(
        self, series: Named, steps: int, choice: ForecastChoice | None, asked: Sequence[float]
    ) -> Sequence[Distribution]:
        """Return what is beside the medians of `forecast`, which is to be asked first."""
        row = self.series.row(series, by_column=False)
        model = self.forecasting[choice or self.usual]
        means, quantiles = self._answers.ahead.distribution(model, row, steps, asked)
        return [
            Distribution(round(mean, 2), [None if math.isnan(of) else round(of, 2) for of in at])
            for mean, at in zip(means, quantiles, strict=True)
        ]

    def among(self, model: str, row: int) -> Sequence[str]:
        """Return the series that a model looks at to forecast one of them."""
        return self._answers.among(model, row)

    def warnings_for(
        self, series: Named, steps: int = 1, choice: ForecastChoice | None = None
    ) -> tuple[str, ...]:
        """Return what callers must know of a forecast of a series. Raises UnknownSeries."""
        row = self.series.row(series, by_column=False)
        model = self.forecasting[choice or self.usual]
        last = self.panel.n_periods + steps - 1
        return (
            *self._warned.of_series(row, last),
            *self._warned.of_intervals(model, row, steps),
            *self._covariates.unplanned(row, last),
        )

    def describe(self) -> dict[str, object]:
        """Return what the model is: version, training window, scores beside the baselines."""
        manifest, origin = self.bundle.manifest, self.bundle.origin
        training = manifest.training
        return {
            "model_version": self.version,
            "kind": manifest.kind,
            "layout": self.spec.layout,
            "trained_at": origin.trained_at.isoformat(),
            "git_commit": origin.git_commit,
            "training": {
                "first_week": str(training.first_week),
                "last_week": str(training.last_week),
                "stores" if self.spec.layout == "stores" else "series": len(training.series),
                "data_fingerprint": training.fingerprint,
                "source": origin.source,
            },
            "forecast_origin": str(self.origin),
            "answered_by": manifest.answered_by.model_dump(exclude={"arima"}),
            "scores": manifest.scores,
            "warnings": list(self.warnings),
        }
