"""From fitted trees to one ONNX graph, so that serving needs no training library.

Takes a fitted Random Forest and a fitted XGBoost regressor, gives the bytes of a graph with
one input `X` (float32[n, n_features]) and the outputs `random_forest` and `xgboost`
(float32[n, 1]). ONNX holds no code that could run, unlike a pickle.
"""

from __future__ import annotations

import warnings

import onnx
from onnx import compose
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as XGBoostFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.trees import Regressor

INPUT = "X"
OUTPUTS = ("random_forest", "xgboost")
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


def trees_to_onnx(random_forest: Regressor, xgboost: Regressor) -> bytes:
    """Return both models as one serialized ONNX model."""
    n_features = len(FEATURE_NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters warn of their own internals
        forest = to_onnx(
            random_forest,
            initial_types=[(INPUT, FloatTensorType([None, n_features]))],
            target_opset=_OPSET,
        )
        boosted = convert_xgboost(
            xgboost,
            initial_types=[(INPUT, XGBoostFloat([None, n_features]))],
            target_opset=15,
        )
    parts = [_renamed(forest, OUTPUTS[0]), _renamed(boosted, OUTPUTS[1])]
    graph = onnx.helper.make_graph(
        nodes=[node for part in parts for node in part.graph.node],
        name="sales_forecast",
        inputs=[forest.graph.input[0]],
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
