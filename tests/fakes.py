"""Stand-ins for what the service is built on: small, obvious, and tested by `test_fakes.py`.

They answer by formulas that a test can compute in its head, so that a test of the service
fails for reasons of the service alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Self

import numpy as np

from sales_forecast.bundles.manifest import ForecastChoice, IntervalLevel
from sales_forecast.data.calendar import week_ending
from sales_forecast.data.database import Stored
from sales_forecast.data.forecast_tables import QUANTILES
from sales_forecast.data.forecasts.stored_forecasts import StoredIssue, StoredPeriod
from sales_forecast.data.ledger.stored_predictions import StoredPredictions
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES
from sales_forecast.data.spec import PanelSpec
from sales_forecast.errors import (
    BundleRefused,
    InvalidRequest,
    NoForecasts,
    NotReady,
    UnknownStore,
)
from sales_forecast.planning.overrides import Overrides, Planned
from sales_forecast.planning.value_added import ValueAdded
from sales_forecast.service.api_keys import ApiKeys
from sales_forecast.service.forms import Forms, Named, forms_of
from sales_forecast.service.live import Live
from sales_forecast.service.results import Answer, Distribution, PeriodForecast, Provenance
from sales_forecast.service.watched import Watched

KNOWN_STORES = range(1, 46)
ORIGIN = date(2012, 10, 26)
NOTHING_SAID = '{"note": "", "series": {}}'


@dataclass(frozen=True)
class FakePredictor:
    """Store n sells n * 1000 dollars; Random Forest is 100 above XGBoost, pooled 10 above ARIMA."""

    version: str = "fake-1"
    origin: date = ORIGIN
    warnings: tuple[str, ...] = ()
    baseline: bool = False

    @property
    def spec(self) -> PanelSpec:
        return STORES

    @property
    def forms(self) -> Forms:
        return forms_of(STORES)

    @property
    def panel(self) -> Panel:
        """A history of one week, in which nothing is planned."""
        return Panel(np.ones((1, 1)), np.array([self.origin], dtype="datetime64[D]"), ("1",), {})

    @property
    def provenance(self) -> Provenance:
        return Provenance("b" * 64, "c" * 40, "d" * 64)

    @property
    def predicting(self) -> str:
        return "seasonal_naive_growth" if self.baseline else "trees"

    @property
    def uses_covariates(self) -> bool:
        return not self.baseline

    @property
    def usual(self) -> ForecastChoice:
        return "arima"

    @property
    def series(self) -> Self:
        return self

    def check(self, keys: Mapping[int, int | str]) -> None:
        if keys:
            self._known((keys[0],), "store_id")

    @property
    def example(self) -> tuple[Named, date]:
        return (1,), self.origin + timedelta(weeks=1)

    def takes_long(self, *question: object) -> bool:
        return False

    def predict(self, series: Named, day: date, covariates: Sequence[float | None]) -> Answer:
        _, temperature, *_ = covariates
        sales = 1000.0 * self._known(series, "Store")
        hot = ("Temperature is above the range seen in training.",) if temperature > 120 else ()
        return Answer(
            prediction=sales,
            period=week_ending(day),
            step=max((week_ending(day) - self.origin).days // 7, 1),
            mean=sales + 7,
            interval_80=(sales - 50, sales + 50),
            interval_95=(sales - 90, sales + 90),
            models=self._members(sales),
            covariates={},
            warnings=self.warnings + hot,
        )

    def _members(self, sales: float) -> Mapping[str, float]:
        if self.baseline:
            return {"seasonal_naive_growth": sales}
        return {"random_forest": sales + 50, "xgboost": sales - 50}

    @property
    def forecasting(self) -> Mapping[ForecastChoice, str]:
        if self.baseline:
            return {"arima": "seasonal_naive_growth", "best": "seasonal_naive_growth"}
        return {"arima": "arima", "best": "pooled"}

    def forecast(
        self,
        series: Named,
        steps: int,
        choice: ForecastChoice | None = None,
        level: IntervalLevel = 80,
    ) -> Sequence[PeriodForecast]:
        wide = 0.0 if level == 80 else 40.0
        sales = 1000.0 * self._known(series, "store_id")
        sales += 10 * (self.forecasting[choice or self.usual] == "pooled")
        return [
            PeriodForecast(
                self.origin + timedelta(weeks=week),
                sales + week,
                sales - wide,
                sales + 2 * week + wide,
            )
            for week in range(1, steps + 1)
        ]

    def means(
        self, series: Named, steps: int, choice: ForecastChoice | None = None
    ) -> Sequence[float]:
        return [of.sales + 7 for of in self.forecast(series, steps, choice)]

    def distribution(
        self,
        series: Named,
        steps: int,
        choice: ForecastChoice | None,
        asked: Sequence[float],
    ) -> Sequence[Distribution]:
        medians = [of.sales for of in self.forecast(series, steps, choice)]
        return [
            Distribution(median, [median + 100 * (tau - 0.5) for tau in asked])
            for median in medians
        ]

    def warnings_for(
        self, series: Named, steps: int = 1, choice: ForecastChoice | None = None
    ) -> tuple[str, ...]:
        self._known(series, "store_id")
        return self.warnings

    def describe(self) -> dict[str, object]:
        return {
            "version": self.version,
            "trained_at": "2012-10-27T12:00:00+00:00",
            "warnings": list(self.warnings),
        }

    def _known(self, series: Named, name: str) -> int:
        (store,) = series
        assert isinstance(store, int)
        if store not in KNOWN_STORES:
            raise UnknownStore(f"Store {store} is not in the model.", {name: store})
        return store


class FakeDatabase:
    """A history that a test can change, empty, or break."""

    def __init__(self, history: str | None = "history 1") -> None:
        self.history = history
        self.failure: Exception | None = None
        self.reads = 0
        self.closed = False

    def _fail(self) -> None:
        if self.failure:
            raise self.failure

    def version(self) -> int:
        return self.look().version

    def look(self) -> Stored:
        self._fail()
        return Stored(hash(self.history), None, None)

    def close(self) -> None:
        self.closed = True

    def read_panel(self) -> str:
        self._fail()
        self.reads += 1
        if self.history is None:
            raise NotReady("The database has no sales yet.")
        return self.history


@dataclass
class FakeModel:
    """A place of bundles: a folder whose `manifest.json` holds the version and nothing else."""

    folder: Path
    failure: Exception | None = field(default=None)
    kept: str | None = None
    """The version that last proved itself."""

    def find(self, stop: Event) -> Path:
        if self.failure:
            raise self.failure
        return self.folder

    def keep(self, folder: Path) -> None:
        self.kept = (folder / "manifest.json").read_text()

    def describe(self) -> None:
        return None

    def publish(self, version: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "manifest.json").write_text(version)


def build_fake(folder: Path, panel: object, _: object = None) -> FakePredictor:
    """Build what the folder names; the version `bad` fails as a damaged bundle does."""
    version = (folder / "manifest.json").read_text()
    if version == "bad":
        raise BundleRefused("The bundle bad does not answer as it was trained to.")
    return FakePredictor(version=f"{version} on {panel}")


def live_fake(
    folder: Path,
    version: str | None = "model 1",
    database: FakeDatabase | None = None,
    build: Callable[..., FakePredictor] = build_fake,
    *,
    refresh_seconds: float = 0.01,
    keys: ApiKeys | None = None,
    url: str = "sqlite://",
) -> Live:
    """Return a real `Live` over fakes, with one bundle published unless `version` is None."""
    model = FakeModel(folder)
    if version is not None:
        model.publish(version)
    database = database or FakeDatabase()
    return Live(model, database, refresh_seconds, build, keys=keys, url=url)


class FakeForecasts:
    """A batch of four weeks: store n sells n * 1000 dollars, all stores together a million."""

    def find(
        self,
        spec: PanelSpec,
        keys: Mapping[str, str],
        target: date | None = None,
        as_of: date | None = None,
    ) -> StoredIssue:
        assert spec == STORES
        sales = 1000.0 * int(keys["k1"]) if keys else 1_000_000.0
        at = dict.fromkeys(QUANTILES, sales)
        periods = [
            StoredPeriod(ORIGIN + timedelta(weeks=step), step, sales, 1, at)
            for step in range(1, 5)
            if target in {None, ORIGIN + timedelta(weeks=step)}
        ]
        if not periods:
            raise InvalidRequest(f"week {target} was not forecast.", {"week": str(target)})
        if as_of is not None and as_of < ORIGIN:
            raise NoForecasts(f"Nothing was forecast by the end of {as_of}.", {"as_of": as_of})
        issued_at = datetime(2012, 10, 27, tzinfo=UTC)
        return StoredIssue(1, ORIGIN, issued_at, "pooled", "fake-1", "{}", NOTHING_SAID, periods)


class FakeOverrides(Overrides):
    """Nobody changed anything, and there is nothing to change."""

    def __init__(self) -> None:
        super().__init__("sqlite://")

    def planned(
        self, spec: PanelSpec, issue: int, scope: Mapping[str, str], as_of: date | None = None
    ) -> Planned:
        return Planned(f"{issue}-0", {})


class LiveStub:
    """Serves one predictor for ever, without a thread."""

    def __init__(
        self,
        predictor: FakePredictor | None = None,
        problem: str | None = None,
        keys: ApiKeys | None = None,
    ) -> None:
        self._predictor = predictor
        self.keys = keys
        self.forecasts = FakeForecasts()
        self.overrides = FakeOverrides()
        self.value_added = ValueAdded(self.overrides.tables)
        self.predictions = StoredPredictions("sqlite://")
        self.problem = None if problem is None else NotReady(problem)
        self.failure: Exception | None = None
        self.watched = Watched("sqlite://")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, seconds: float) -> None:
        pass

    @property
    def predictor(self) -> FakePredictor:
        if self._predictor is None:
            raise self.problem or NotReady("The model is being loaded.")
        return self._predictor

    @property
    def warning(self) -> str | None:
        return " ".join(self.predictor.warnings) or None

    def describe(self) -> dict[str, object]:
        return {**self.predictor.describe(), "registry": None}

    async def check(self) -> None:
        _ = self.predictor
        if self.failure:
            raise self.failure
