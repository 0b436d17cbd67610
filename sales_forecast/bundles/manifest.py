"""What a bundle says of itself: the forms of `manifest.json` and `origin.json`.

Takes and gives plain numbers, so that JSON can hold them. Must not
read or write files.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import PanelSpec
from sales_forecast.models.spread import MEASURED, Spread, SpreadByAge

FORMAT: Final = 6
Kind = Literal["models", "baseline"]
ForecastChoice = Literal["arima", "best"]
"""What a caller can ask for: ARIMA, or what the gate found best."""
IntervalLevel = Literal[80, 95]


NotNegative = Annotated[float, Field(ge=0)]
_FARTHEST = 100.0
"""No error of log sales is so large: what is answered beyond it need not even be a number."""


class _Value(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null"
    )


class TrainingWindow(_Value):
    """The data that the models were fitted on."""

    first_week: date
    last_week: date
    series: tuple[str, ...]
    fingerprint: str

    @classmethod
    def of(cls, panel: Panel) -> TrainingWindow:
        """Describe the sales of a panel."""
        return cls(
            first_week=panel.first,
            last_week=panel.last,
            series=panel.series,
            fingerprint=panel.fingerprint,
        )


class AnsweredBy(_Value):
    """Which model answers each endpoint."""

    predict_sales: str
    forecast_sales: str
    best: str
    """Answers `/forecast_sales?model=best`."""
    arima: str = "arima"
    """Answers `/forecast_sales?model=arima`."""

    @classmethod
    def by(cls, model: str) -> AnsweredBy:
        """Let one model answer everything."""
        return cls(predict_sales=model, forecast_sales=model, best=model, arima=model)

    @property
    def forecasts(self) -> Mapping[ForecastChoice, str]:
        """What can be asked of `/forecast_sales`, and the model that answers."""
        return {"arima": self.arima, "best": self.best}

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that answers something, once."""
        return tuple(
            dict.fromkeys((self.predict_sales, self.forecast_sales, self.best, self.arima))
        )


class StoredSpread(_Value):
    """What was measured of the errors of one model on series of one age, as plain numbers."""

    shape: tuple[float, ...]
    rows: int
    steps: int
    usual: NotNegative
    widths: Mapping[str, NotNegative]
    by_step: Annotated[float, Field(ge=0, le=1)]
    middle: NotNegative
    one_sale: Mapping[str, Annotated[float, Field(gt=0)]] = {}

    @model_validator(mode="after")
    def _could_be_measured(self) -> Self:
        """Refuse what no measuring gives."""
        if len(self.shape) not in {0, len(MEASURED)} or np.any(np.diff(self.shape) < 0):
            raise ValueError(f"a shape is {len(MEASURED)} ascending numbers, or none")
        reach = max(self.usual, *self.widths.values(), 0) * max(map(abs, self.shape), default=0)
        if reach > _FARTHEST:
            raise ValueError(f"quantiles as far away as {reach:.3g} were never measured")
        return self

    @classmethod
    def of(cls, spread: Spread) -> Self:
        """Take it from arrays."""
        return cls(**{**vars(spread), "shape": tuple(spread.shape.tolist())})

    def spread(self) -> Spread:
        """Give it as arrays."""
        return Spread(**{**dict(self), "shape": np.array(self.shape)})


class StoredSpreadByAge(_Value):
    """What was measured of the errors of one model, as plain numbers."""

    of_age: Mapping[str, StoredSpread]
    mean: Annotated[float, Field(gt=0, le=_FARTHEST)]

    @classmethod
    def of(cls, spread: SpreadByAge) -> Self:
        """Take it from arrays."""
        of_age = {age: StoredSpread.of(each) for age, each in spread.of_age.items()}
        return cls(of_age=of_age, mean=spread.mean)

    def spread(self) -> SpreadByAge:
        """Give it as arrays."""
        return SpreadByAge({age: of.spread() for age, of in self.of_age.items()}, self.mean)


SumsByLevel = Mapping[str, StoredSpread]
"""Level of keys -> what was measured of the sums of one model; see `prediction.sums`."""
SUMS_AS_JSON = TypeAdapter(SumsByLevel)
"""So it is stored beside forecasts."""


class Origin(_Value):
    """When, by which code and from which source a bundle was made: nothing that answers depend on.

    It has a file of its own, `origin.json`, so that equal data, code and settings give the same
    version wherever and whenever a training ran.
    """

    trained_at: datetime
    git_commit: str | None
    code: str
    """The hash of the package's source; see `code.source_hash`."""
    source: str


class Manifest(_Value):
    """Everything about a bundle but arrays, trees and tables."""

    format: Literal[6] = FORMAT
    kind: Kind
    """`models`: those that were trained; `baseline`: seasonal naive x growth."""
    note: str = ""
    spec: PanelSpec | None = None
    """What the panel is that it was made for."""
    training: TrainingWindow
    feature_names: tuple[str, ...]
    answered_by: AnsweredBy
    models: Mapping[str, Any]
    """Per model that answers, its state; see `states.Packed`."""
    things: tuple[Mapping[str, Any], ...]
    conformance: Mapping[str, Any] | None
    """A small history, and what the models answered to it as they were trained."""
    cells: Mapping[str, Any] | None = None
    """Some of the sales that it was trained on; see `cells.drawn`."""
    condition_ranges: Mapping[str, tuple[float, float]]
    spreads: Mapping[str, StoredSpreadByAge]
    """Per model that answers, and of the growth baseline."""
    sums: Mapping[str, SumsByLevel] = {}
    """Of the best model and the growth baseline."""
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Protocol -> model -> metric -> value."""
    checksums: Mapping[str, str]
    """Name of every other file but `origin.json` -> SHA-256."""
