"""The ARIMA of all series as one MLflow model: rows of keys and steps in, forecasts out.

MLflow runs this file when it loads the model. It reads the state of the model and the history it
was fitted to, as a bundle keeps them, and holds no mathematics of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from sales_forecast.bundles.panel_state import panel_of
from sales_forecast.bundles.states import Unpacked
from sales_forecast.models.fitted.regressor import Predicts
from sales_forecast.models.fitted.restore import Restored
from sales_forecast.prediction.forecast import forecast


class ArimaModel(PythonModel):
    """ARIMA(0,1,1) of every series, on what the calendar leaves over."""

    def load_context(self, context: Any) -> None:
        """Read the fitted parameters."""
        content = json.loads(Path(context.artifacts["state"]).read_text())
        unpacked = Unpacked(content["things"], Path(context.artifacts["arrays"]).read_bytes())
        self._panel = panel_of(unpacked.state(content["history"]))
        self._keys: dict[str, list[int | str]] = content["keys"]
        named = zip(*self._keys.values(), strict=True)
        self._rows = {series: row for row, series in enumerate(named)}
        self._model = Restored(_no_trees).model(unpacked.state(content["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return keys, Date, Sales: `steps` periods for each row of `model_input`."""
        del context, params
        horizon = int(model_input["steps"].max())
        sales = forecast({"arima": self._model}, self._panel, horizon)["arima"].if_sold
        periods = [str(period) for period in self._panel.after(horizon)]
        asked = model_input[[*self._keys, "steps"]].itertuples(index=False, name=None)
        return pd.DataFrame(
            {
                **dict(zip(self._keys, series, strict=True)),
                "Date": periods[step],
                "Sales": sales[self._rows[tuple(series)], step],
            }
            for *series, steps in asked
            for step in range(steps)
        )


def _no_trees(name: str) -> Predicts:
    raise ValueError(f"ARIMA needs no trees, and {name} was asked for")


set_model(ArimaModel())
