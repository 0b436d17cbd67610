"""The design that public projects of this kind serve with, for comparison.

    uvicorn --factory benchmarks.common_service:create

Scikit-learn and XGBoost predict in the handler, and every request is a run of its own in
MLflow, logged value by value. Takes the database and the tracking store that the settings name.
"""

from __future__ import annotations

import mlflow
import numpy as np
from fastapi import FastAPI

from benchmarks.common_design import CommonTrees, feature_rows
from benchmarks.store_week import StoreWeek
from sales_forecast.data.calendar import week_ending
from sales_forecast.data.database import Database
from sales_forecast.data.panel import CONDITIONS
from sales_forecast.settings import load_settings


def create() -> FastAPI:
    settings = load_settings()
    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    mlflow.set_experiment("one run per request")
    panel = Database(settings.database_url).read_panel()
    trees = CommonTrees().fit(panel)
    stores = np.eye(panel.n_series)
    app = FastAPI()

    @app.post("/predict_sales")
    def predict_sales(request: StoreWeek) -> dict[str, float]:
        row = panel.positions[str(request.store)]
        week = np.datetime64(week_ending(request.day))
        before = panel.y[row : row + 1, : int(np.searchsorted(panel.periods, week))]
        conditions = np.array([request.conditions]).T
        known = dict(zip(CONDITIONS, conditions, strict=True))
        rows = feature_rows(before, week, known, stores[row : row + 1])
        with mlflow.start_run():
            for name, value in request.model_dump().items():
                mlflow.log_param(name, value)
            random_forest = float(trees.forest.predict(rows)[0])
            xgboost = float(trees.boosting.predict(rows)[0])
            prediction = (random_forest + xgboost) / 2
            mlflow.log_metric("random_forest", random_forest)
            mlflow.log_metric("xgboost", xgboost)
            mlflow.log_metric("prediction", prediction)
        return {"prediction": prediction}

    return app
