"""How each of the three models is described to MLflow: flavour, signature, example, pins.

Takes fitted models, gives descriptions that `record` logs. Talks to no server.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature

from sales_forecast.bundles.panel_state import state_of
from sales_forecast.bundles.states import Packed
from sales_forecast.data.panel import Panel
from sales_forecast.data.rows import STORES
from sales_forecast.features.features import feature_names, features
from sales_forecast.features.passing import usual
from sales_forecast.models.fitted.regressor import FittedRegressor
from sales_forecast.models.fitted.smoothing import FittedArima
from sales_forecast.training.challenger import NATIVE, Challenger
from sales_forecast.training.tracking import arima

_TARGET = "log(sales) minus features.History.log_reference, half of which is answered"
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True)
class LoggedModel:
    """What MLflow is told of one of the three models."""

    name: str
    registered_name: str
    params: Mapping[str, object]
    flavor: object
    arguments: Mapping[str, object]


def logged_models(challenger: Challenger, folder: Path) -> list[LoggedModel]:
    """Describe those of a challenger's models that are kept in flavours of their own.

    `folder`: where files may be written that MLflow is to copy.
    """
    if challenger.panel is None:
        return []
    panel = usual(challenger.panel)
    fitted = {name: challenger.models[name] for name in NATIVE if name in challenger.models}
    described = []
    for name, model in fitted.items():
        if isinstance(model, FittedRegressor):
            described.append(_logged_trees(name, model, panel))
        elif isinstance(model, FittedArima):
            described.append(_logged_arima(model, panel, folder))
    return described


def _logged_trees(name: str, model: FittedRegressor, panel: Panel) -> LoggedModel:
    names = feature_names(panel)
    past = model.sees(panel)
    series, origin, target = (rows[:5] for rows in past.ahead(1))
    X = features(past, series, origin, target)
    example = pd.DataFrame(X, columns=list(names))
    # A copy that knows the names of its columns: it will be asked with tables that have them.
    regressor: Any = copy.copy(model.regressor)
    change = np.asarray(regressor.predict(X), dtype=np.float64)
    arguments: dict[str, object] = {
        "signature": infer_signature(example, change),
        "input_example": example,
    }
    if name == "random_forest":
        regressor.feature_names_in_ = np.array(names, dtype=object)
        return LoggedModel(
            name,
            "RF-Sales-Forecasting",
            {**regressor.get_params(), "target": _TARGET},
            mlflow.sklearn,
            {
                **arguments,
                "sk_model": regressor,
                "skops_trusted_types": ["sklearn.tree._tree.Tree"],
                "pip_requirements": _pins("scikit-learn", "skops", "numpy", "pandas"),
            },
        )
    return LoggedModel(
        name,
        "XGB-Sales-Forecasting",
        {**regressor.get_params(), "target": _TARGET},
        mlflow.xgboost,
        {
            **arguments,
            "xgb_model": regressor,
            "pip_requirements": [*_pins("scikit-learn", "numpy", "pandas"), _xgboost_pin()],
        },
    )


def _logged_arima(model: FittedArima, panel: Panel, folder: Path) -> LoggedModel:
    packed = Packed()
    spec = panel.spec or STORES
    keys = {key.column: panel.keys.get(key.column, np.array(panel.series)) for key in spec.keys}
    content = {
        "model": packed.add(model.state),
        "history": packed.add({"kind": "panel", **state_of(panel)}),
        "keys": {name: values.tolist() for name, values in keys.items()},
        "things": packed.things,
    }
    (folder / "arima.json").write_text(json.dumps(content))
    (folder / "arima.npz").write_bytes(packed.npz())
    first = {name: values[:1].tolist() for name, values in keys.items()}
    example = pd.DataFrame({**first, "steps": [5]})
    periods = pd.DataFrame({**first, "Date": [str(panel.last)], "Sales": [1.0]})
    return LoggedModel(
        "arima",
        "ARIMA-Sales-Forecasting",
        {"order": "(0,1,1)", "mean": "calendar profile", "estimator": "innovations_mle"},
        mlflow.pyfunc,
        {
            "python_model": str(Path(arima.__file__)),
            "artifacts": {
                "state": str(folder / "arima.json"),
                "arrays": str(folder / "arima.npz"),
            },
            "code_paths": [str(_PACKAGE)],
            "signature": ModelSignature(
                infer_signature(example).inputs, infer_signature(periods).inputs
            ),
            "input_example": example,
            "pip_requirements": _pins("numpy", "onnxruntime", "pandas", "pydantic"),
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
