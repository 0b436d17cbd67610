"""One small training, shared by all tests that need one; made once a test run, when first asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from threadpoolctl import threadpool_limits

from sales_forecast.bundles.bundle import Bundle, Sealed, read_bundle
from sales_forecast.bundles.states import Packed, Unpacked
from sales_forecast.bundles.writing import write_bundle
from sales_forecast.data.panel import Panel
from sales_forecast.data.sample import sample_rows
from sales_forecast.evaluation.judged import Tables
from sales_forecast.models.base import Storable
from sales_forecast.models.export import trees_to_onnx
from sales_forecast.models.fitted.onnx_trees import OnnxTrees
from sales_forecast.models.fitted.restore import Restored
from sales_forecast.training.challenger import Challenger, model_challenger, regressors
from sales_forecast.training.training import evaluate
from tests.shared import once

STORES = ("3", "12", "30")
SOURCE = "three stores of the sample"


def silent(_: str) -> None:
    """Progress that nobody watches."""


@cache
def panel() -> Panel:
    return sample_rows().to_panel().select(STORES)


def first_weeks(number: int) -> Panel:
    """The same stores, as they were known after their first weeks."""
    return panel().until(panel().periods[number - 1])


@cache
def challenger() -> Challenger:
    return once("challenger", _trained)


def tables() -> Tables:
    return challenger().tables


def _trained() -> Challenger:
    # Other tests keep the cores busy, and then the threads of XGBoost cost tenfold.
    with threadpool_limits(1):
        return model_challenger(panel(), SOURCE, evaluate(panel(), silent), silent)


@cache
def bundle() -> Bundle:
    """The challenger as the service would read it."""
    return read(challenger().sealed)


def read(sealed: Sealed) -> Bundle:
    """Sealed files as the service would read them."""
    with TemporaryDirectory() as folder:
        return read_bundle(write_bundle(Path(folder), sealed))


def through_a_bundle(models: Mapping[str, Storable], n_features: int) -> dict[str, Storable]:
    """Models as they come out of one text and two files."""
    packed = Packed()
    states = {name: packed.add(model.state) for name, model in models.items()}
    text = json.dumps({"models": states, "things": packed.things}, allow_nan=False)
    graph = trees_to_onnx({of.name: of.regressor for of in regressors(models)}, n_features)
    content = json.loads(text)
    unpacked = Unpacked(content["things"], packed.npz())
    made = Restored(OnnxTrees(graph).regressor)
    return {name: made.model(unpacked.state(of)) for name, of in content["models"].items()}
