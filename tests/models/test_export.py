"""The exported graph says what the trees it was made of say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest

from sales_forecast.features.features import FEATURE_NAMES
from sales_forecast.models.export import trees_to_onnx
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import RANDOM_FOREST, XGBOOST, Regressor, training_set
from tests.builders import one_thread, sample_panel


class Exported(NamedTuple):
    """Both trees, their graph, and rows that they were fitted on."""

    trees: dict[str, Regressor]
    graph: bytes
    rows: np.ndarray


@pytest.fixture(scope="module")
def exported() -> Iterator[Exported]:
    panel = sample_panel(3)
    with one_thread():
        trees = {tree.name: tree.fit(panel).regressor for tree in (RANDOM_FOREST, XGBOOST)}
        rows = training_set(panel, fit_profile(panel)).X
        yield Exported(trees, trees_to_onnx(trees, len(FEATURE_NAMES)), rows)


def run(graph: bytes, rows: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = ["random_forest", "xgboost"]
    return dict(zip(names, session.run(names, {"X": rows}), strict=True))


def assert_says_the_same(exported: Exported, rows: np.ndarray) -> None:
    found = run(exported.graph, rows)
    for name, regressor in exported.trees.items():
        assert ((len(rows), 1), np.float32) == (found[name].shape, found[name].dtype)
        # Log changes of some hundredths: a millionth of them is a millionth of the sales.
        np.testing.assert_allclose(found[name][:, 0], regressor.predict(rows), rtol=0, atol=2e-6)


def test_rows_of_the_training_set_are_answered_as_by_the_trees(exported):
    assert_says_the_same(exported, exported.rows[::7])


def test_rows_far_from_anything_seen_are_answered_as_by_the_trees(exported):
    rng = np.random.default_rng(0)
    rows = rng.normal(0.0, 100.0, (500, len(FEATURE_NAMES))).astype(np.float32)
    rows[0], rows[1] = 1e9, -1e9
    assert_says_the_same(exported, rows)


def test_a_single_row_is_answered_as_among_many(exported):
    many = run(exported.graph, exported.rows[:50])
    for name, values in many.items():
        alone = [run(exported.graph, exported.rows[[row]])[name][0] for row in range(5)]
        np.testing.assert_array_equal(values[:5], alone)


def test_the_graph_has_one_input_and_one_output_a_model(exported):
    model = onnx.load_from_string(exported.graph)
    onnx.checker.check_model(model, full_check=True)
    assert ["X"] == [node.name for node in model.graph.input]
    assert ["random_forest", "xgboost"] == [node.name for node in model.graph.output]
    [rows, columns] = model.graph.input[0].type.tensor_type.shape.dim
    assert not rows.HasField("dim_value")
    assert 32 == len(FEATURE_NAMES) == columns.dim_value


def test_equal_trees_make_equal_bytes(exported):
    assert exported.graph == trees_to_onnx(exported.trees, len(FEATURE_NAMES))


@pytest.mark.parametrize("name", ["random_forest", "xgboost"])
def test_a_graph_of_one_model_says_what_that_of_both_says(exported, name):
    graph = trees_to_onnx({name: exported.trees[name]}, len(FEATURE_NAMES))
    assert [name] == [node.name for node in onnx.load_from_string(graph).graph.output]
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run([name], {"X": exported.rows[:50]})[0]
    np.testing.assert_array_equal(run(exported.graph, exported.rows[:50])[name], found)


def test_a_row_of_another_width_is_refused(exported):
    with pytest.raises(Exception, match="Got: 31 Expected: 32"):
        run(exported.graph, exported.rows[:, 1:])
