"""All stores' ARIMA as one MLflow model: rows of (Store, steps) in, weekly forecasts out.

MLflow runs this file when it loads the model. It reads one JSON file (the fitted parameters
and the history they were fitted to) and holds no mathematics of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from pydantic import BaseModel

from sales_forecast.bundles.manifest import StoredPanel, StoredProfile
from sales_forecast.features.features import History
from sales_forecast.models import smoothing


class FittedArimaFile(BaseModel):
    """What the JSON file holds."""

    theta: dict[str, float]
    calendar: StoredProfile
    history: StoredPanel


class ArimaModel(PythonModel):
    """ARIMA(0,1,1) of every store, on what the calendar leaves over."""

    def load_context(self, context: Any) -> None:
        """Read the fitted parameters."""
        text = Path(context.artifacts["arima"]).read_text()
        fitted = FittedArimaFile.model_validate_json(text)
        self._panel = fitted.history.panel()
        self._history = History(self._panel, fitted.calendar.profile())
        self._theta = fitted.theta

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return columns Store, Date, Sales: `steps` weeks for each row of `model_input`."""
        del context, params
        horizon = int(model_input["steps"].max())
        sales = smoothing.forecast(self._history, self._theta, horizon)
        weeks = [str(week) for week in self._panel.after(horizon)]
        return pd.DataFrame(
            {
                "Store": store,
                "Date": weeks[step],
                "Sales": sales[self._panel.positions[str(store)], step],
            }
            for store, steps in zip(model_input["Store"], model_input["steps"], strict=True)
            for step in range(steps)
        )


set_model(ArimaModel())
