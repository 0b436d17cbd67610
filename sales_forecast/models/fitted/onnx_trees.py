"""Trees from a bundle: regressors that ONNX Runtime computes, one graph for all of them.

Takes the bytes of a graph with one input `X` and one output a model, gives regressors. ONNX holds
no code that could run, unlike a pickle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from sales_forecast.data.panel import Array
from sales_forecast.errors import BundleRefused

INPUT = "X"


class OnnxTrees:
    """The graph of a bundle."""

    def __init__(self, graph: bytes) -> None:
        """Load it. Raises BundleRefused."""
        # The work is tens of microseconds: threads would only cost.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is an error is raised
        try:
            self.session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no base of their own
            raise BundleRefused(
                "trees.onnx cannot be loaded: it holds no graph of trees that can be computed."
            ) from error
        self._names = frozenset(output.name for output in self.session.get_outputs())

    def regressor(self, name: str) -> OnnxRegressor:
        """Return the regressor of a model. Raises BundleRefused where the graph has none."""
        if name not in self._names:
            raise BundleRefused(f"trees.onnx has no trees of {name}.")
        return OnnxRegressor(self, name)


@dataclass(frozen=True, eq=False)
class OnnxRegressor:
    """One output of a graph; see `regressor.Predicts`."""

    trees: OnnxTrees
    name: str

    def predict(self, X: npt.NDArray[np.float32]) -> Array:
        """Predict float64[n] of float32[n, n_features]. Raises BundleRefused: it cannot."""
        try:
            (found,) = self.trees.session.run([self.name], {INPUT: X})
        except Exception as error:  # as above
            width = self.trees.session.get_inputs()[0].shape[-1]
            problem = f"trees.onnx: the trees of {self.name} cannot be computed."
            if width != X.shape[1]:
                problem = (
                    f"trees.onnx takes {width} features, and the trees of {self.name} are asked "
                    f"{X.shape[1]}."
                )
            raise BundleRefused(problem) from error
        return np.asarray(found, dtype=np.float64).ravel()
