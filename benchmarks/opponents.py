"""What the service is measured against, each on the same server with the same settings.

    python benchmarks/opponents.py echo --port 8701
    python benchmarks/opponents.py common --port 8702

`echo` validates the same body with plain FastAPI and sends it back: what the framework alone
costs. `common` is the design that public projects of this kind use: scikit-learn and XGBoost
predict in the handler, and every request is a run of its own in MLflow. It takes the database
and the tracking store that the settings name.
"""

from __future__ import annotations

import argparse

import mlflow
import numpy as np
import uvicorn
from fastapi import FastAPI

from benchmarks.common_design import CommonTrees, feature_rows
from sales_forecast.calendar import week_ending
from sales_forecast.database import Database
from sales_forecast.service.schemas import PredictRequest
from sales_forecast.settings import load_settings

_LAGS = (1, 2)


def echo() -> FastAPI:
    app = FastAPI()

    @app.post("/predict_sales")
    async def predict_sales(request: PredictRequest) -> PredictRequest:
        return request

    return app


def common() -> FastAPI:
    settings = load_settings()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    mlflow.set_experiment("one run per request")
    panel = Database(settings.database_url).read_panel()
    trees = CommonTrees().fit(panel)
    one_hot = np.eye(panel.n_series)
    app = FastAPI()

    @app.post("/predict_sales")
    def predict_sales(request: PredictRequest) -> dict[str, float]:
        row = panel.positions[str(request.store)]
        week = np.datetime64(week_ending(request.day))
        column = min(int(np.searchsorted(panel.periods, week)), panel.n_periods)
        lags = tuple(panel.y[row : row + 1, column - lag] for lag in _LAGS)
        conditions = np.array([request.conditions])
        rows = feature_rows(lags, week, conditions, one_hot[row : row + 1])
        with mlflow.start_run():
            prediction = float(trees.predict_rows(rows)[0])
            mlflow.log_params(request.model_dump())
            mlflow.log_metric("prediction", prediction)
        return {"prediction": prediction}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("opponent", choices=["echo", "common"])
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    app = {"echo": echo, "common": common}[chosen.opponent]()
    uvicorn.run(
        app, port=chosen.port, access_log=False, log_level="warning", server_header=False
    )


if __name__ == "__main__":
    main()
