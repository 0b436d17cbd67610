"""From fitted trees to one ONNX graph, so that serving needs no training library.

Takes fitted regressors by the names of their models, gives the bytes of a graph with one input `X`
(float32[n, n_features]) and one output a model (float32[n, 1]); `fitted.onnx_trees` reads it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import onnx
from onnx import compose
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as XGBoostFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from xgboost import XGBRegressor

from sales_forecast.models.fitted.onnx_trees import INPUT
from sales_forecast.models.trees import Regressor

_OPSET = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 10


def _renamed(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Return the model with the names of its nodes prefixed and its output called `name`."""
    old = model.graph.output[0].name
    prefixed = compose.add_prefix(model, prefix=f"{name}/", rename_inputs=False)
    for node in prefixed.graph.node:
        node.output[:] = [name if out == f"{name}/{old}" else out for out in node.output]
    prefixed.graph.output[0].name = name
    return prefixed


def _converted(regressor: Regressor, n_features: int) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn of their own internals
        if isinstance(regressor, XGBRegressor):
            inputs = [(INPUT, XGBoostFloat([None, n_features]))]
            return convert_xgboost(regressor, initial_types=inputs, target_opset=15)
        inputs = [(INPUT, FloatTensorType([None, n_features]))]
        return to_onnx(regressor, initial_types=inputs, target_opset=_OPSET)


def trees_to_onnx(regressors: Mapping[str, Regressor], n_features: int) -> bytes:
    """Return regressors, at least one, as one serialized ONNX model."""
    parts = [_renamed(_converted(of, n_features), name) for name, of in regressors.items()]
    graph = onnx.helper.make_graph(
        nodes=[node for part in parts for node in part.graph.node],
        name="sales_forecast",
        inputs=[parts[0].graph.input[0]],
        outputs=[part.graph.output[0] for part in parts],
        initializer=[tensor for part in parts for tensor in part.graph.initializer],
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid(name, n) for name, n in _OPSET.items()],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
