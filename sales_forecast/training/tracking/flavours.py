"""How each of the three models is described to MLflow: flavour, signature, example, pins.

Takes fitted models, gives descriptions that `record` logs. Talks to no server.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature

from sales_forecast.bundles.manifest import StoredPanel, StoredProfile
from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.trees import training_set
from sales_forecast.training.tracking import arima
from sales_forecast.training.training import Models

_TARGET = "log(sales) minus features.History.log_reference"
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True)
class LoggedModel:
    """What MLflow is told of one of the three models."""

    name: str
    registered_name: str
    params: Mapping[str, object]
    flavor: object
    arguments: Mapping[str, object]


def logged_models(models: Models, folder: Path) -> list[LoggedModel]:
    """Describe all three. `folder`: where files may be written that MLflow is to copy."""
    rows = training_set(models.panel, models.random_forest.profile).X[:5]
    example = pd.DataFrame(rows, columns=list(FEATURE_NAMES))
    change = models.random_forest.regressor.predict(rows)
    signature = infer_signature(example, np.asarray(change, dtype=np.float64))
    # A copy that knows the names of its columns: it will be asked with tables that have them.
    forest = copy.copy(models.random_forest.regressor)
    forest.feature_names_in_ = np.array(FEATURE_NAMES, dtype=object)  # type: ignore[attr-defined]
    boosted = models.xgboost.regressor
    return [
        LoggedModel(
            "random_forest",
            "RF-Sales-Forecasting",
            {**forest.get_params(), "target": _TARGET},  # type: ignore[attr-defined]
            mlflow.sklearn,
            {
                "sk_model": forest,
                "signature": signature,
                "input_example": example,
                "skops_trusted_types": ["sklearn.tree._tree.Tree"],
                "pip_requirements": _pins("scikit-learn", "skops", "numpy", "pandas"),
            },
        ),
        LoggedModel(
            "xgboost",
            "XGB-Sales-Forecasting",
            {**boosted.get_params(), "target": _TARGET},  # type: ignore[attr-defined]
            mlflow.xgboost,
            {
                "xgb_model": boosted,
                "signature": signature,
                "input_example": example,
                "pip_requirements": [*_pins("scikit-learn", "numpy", "pandas"), _xgboost_pin()],
            },
        ),
        _logged_arima(models, folder),
    ]


def _logged_arima(models: Models, folder: Path) -> LoggedModel:
    file = folder / "arima.json"
    file.write_text(
        arima.FittedArimaFile(
            theta=dict(models.arima.theta),
            calendar=StoredProfile.of(models.arima.profile),
            history=StoredPanel.of(models.panel),
        ).model_dump_json()
    )
    example = pd.DataFrame({"Store": [int(models.panel.series[0])], "steps": [5]})
    weeks = pd.DataFrame({"Store": [1], "Date": ["2012-11-02"], "Sales": [1.0]})
    return LoggedModel(
        "arima",
        "ARIMA-Sales-Forecasting",
        {"order": "(0,1,1)", "mean": "calendar profile", "estimator": "innovations_mle"},
        mlflow.pyfunc,
        {
            "python_model": str(Path(arima.__file__)),
            "artifacts": {"arima": str(file)},
            "code_paths": [str(_PACKAGE)],
            "signature": ModelSignature(
                infer_signature(example).inputs, infer_signature(weeks).inputs
            ),
            "input_example": example,
            "pip_requirements": _pins("numpy", "pandas", "pydantic"),
        },
    )


def _pins(*packages: str) -> list[str]:
    return [f"{package}=={installed(package)}" for package in packages]


def _xgboost_pin() -> str:
    """Pin XGBoost by the name that every platform has, whatever it is called on this one."""
    try:
        return f"xgboost=={installed('xgboost')}"
    except PackageNotFoundError:
        return f"xgboost=={installed('xgboost-cpu')}"
