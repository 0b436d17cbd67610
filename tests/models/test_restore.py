"""A model that went into a bundle and out of it again says what it said before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from sales_forecast.bundles.states import Packed
from sales_forecast.data.panel import Array, Panel
from sales_forecast.errors import BundleRefused, OlderBundle
from sales_forecast.features.features import feature_names
from sales_forecast.models.base import FutureConditions, Storable
from sales_forecast.models.catalogue import ALL_FORECASTERS
from sales_forecast.models.export import trees_to_onnx
from sales_forecast.models.fit_cache import fit_once
from sales_forecast.models.fitted.onnx_trees import OnnxTrees
from sales_forecast.models.fitted.restore import Restored
from sales_forecast.prediction.forecast import forecast
from sales_forecast.training.challenger import regressors
from tests.builders import daily_panel, sample_panel, with_sales
from tests.trained import through_a_bundle

pytestmark = pytest.mark.usefixtures("on_one_thread")

EXACT, THROUGH_ONNX = 1e-12, 1e-4
# What a plan does to log sales is added up in single precision, for as many days at once as are
# asked for: a model that has seen the days before has added up others at once.
BY_DAYS = 1e-10
TREES = {"random_forest", "xgboost", "rf_xgb_mean", "ensemble"}
NAMES = [forecaster.name for forecaster in ALL_FORECASTERS]
HORIZON = 60


def stores() -> Panel:
    """Six stores, with a gap, a week of nothing, and one that opened late."""
    panel = with_sales(sample_panel(6), 0, 60, 66, np.nan)
    return with_sales(with_sales(panel, 1, 80, 81, 0.0), 2, 0, 100, np.nan)


def departments() -> Panel:
    """The same as two departments of stores of three types, with sizes and a plan."""
    panel = stores()
    planned = np.random.default_rng(0).integers(0, 2, (6, panel.n_periods + 80)).astype(float)
    traits = {
        "department": np.array(["7", "9"] * 3),
        "type": np.array(["A", "B", "B", "C", "A", "C"]),
        "size": np.array([10.5, 20.0, 30.0, 40.0, 50.0, 60.0]),
        "floors": np.array([1, 2, 3, 1, 2, 3]),
    }
    return replace(panel, plan={"promotion": planned}, traits=traits, pooled_by="department")


def days() -> Panel:
    """Stores that are open by plan, of which nothing is known after the last day."""
    return daily_panel(n_series=5, n_days=560)


def told(panel: Panel, ahead: int) -> Panel:
    """The panel with a plan that reaches further than its days."""
    longer = daily_panel(n_series=panel.n_series, n_days=panel.n_periods, ahead=ahead).plan
    plan = {
        name: np.hstack([values, 1 - longer[name][:, -ahead:]])
        for name, values in panel.plan.items()
    }
    return replace(panel, plan=plan)


KINDS = {"weekly stores": stores, "pools and static features": departments, "days": days}


@cache
def fitted(kind: str) -> tuple[Panel, dict[str, Storable]]:
    """Models that were fitted to all but the last eight weeks of a panel."""
    panel = KINDS[kind]()
    known = panel.until(panel.periods[-1 - 8 * panel.frequency.a_week])
    return panel, {one.name: fit_once(one, known) for one in ALL_FORECASTERS}


@cache
def restored(kind: str) -> dict[str, Storable]:
    """The same models, out of one text and two files."""
    panel, models = fitted(kind)
    return through_a_bundle(models, len(feature_names(panel)))


def assert_equal(
    kind: str, name: str, history: Panel, horizon: int, conditions: FutureConditions | None = None
) -> Array:
    expected = fitted(kind)[1][name].predict(history, horizon, conditions)
    found = restored(kind)[name].predict(history, horizon, conditions)
    assert (history.n_series, horizon) == found.shape
    limit = THROUGH_ONNX if name in TREES else BY_DAYS if kind == "days" else EXACT
    np.testing.assert_allclose(found, expected, rtol=limit)
    return found


every_kind = pytest.mark.parametrize("kind", KINDS)
every_model = pytest.mark.parametrize("name", NAMES)


@every_model
@every_kind
def test_it_says_the_same_of_the_history_that_it_was_fitted_to(kind: str, name: str) -> None:
    panel = fitted(kind)[0]
    known = panel.until(panel.periods[-1 - 8 * panel.frequency.a_week])
    sales = assert_equal(kind, name, known, HORIZON)
    assert np.isfinite(sales).all()


@every_model
@every_kind
def test_it_says_the_same_of_a_later_history(kind: str, name: str) -> None:
    panel = fitted(kind)[0]
    earlier = panel.until(panel.periods[-1 - 8 * panel.frequency.a_week])
    now = assert_equal(kind, name, panel, HORIZON)
    assert (now != restored(kind)[name].predict(earlier, HORIZON)).any()


@every_model
@every_kind
def test_it_says_the_same_under_given_conditions(kind: str, name: str) -> None:
    panel = fitted(kind)[0]
    rng = np.random.default_rng(3)
    given = {
        condition: rng.normal(50.0, 30.0, (panel.n_series, 4)) for condition in panel.conditions
    }
    assert_equal(kind, name, panel, 4, given)


@every_model
@every_kind
def test_it_says_the_same_of_a_series_that_it_was_not_fitted_to(kind: str, name: str) -> None:
    panel = fitted(kind)[0]
    renamed = replace(panel, series=(*panel.series[:-1], "new"))
    assert_equal(kind, name, renamed, HORIZON)
    assert_equal(kind, name, renamed.select(["new", panel.series[0]]), HORIZON)


@every_model
def test_it_says_the_same_of_a_plan_that_reaches_further_than_at_the_fit(name: str) -> None:
    panel = told(fitted("days")[0], ahead=42)
    assert_equal("days", name, panel, 42)
    assert_equal("days", name, panel, HORIZON)


@pytest.mark.parametrize("name", ["ridge", "ets", "arima", "pooled", "random_forest"])
def test_a_longer_plan_does_matter(name: str) -> None:
    panel = fitted("days")[0]
    before = restored("days")[name].predict(panel, 42)
    assert (before != restored("days")[name].predict(told(panel, 42), 42)).any()


@pytest.mark.parametrize(("trait", "label"), [("type", "Z"), ("type", "Aa"), ("department", "8")])
@every_model
def test_it_says_the_same_of_a_label_that_it_has_not_learned(
    name: str, trait: str, label: str
) -> None:
    kind = "pools and static features"
    panel = fitted(kind)[0]
    labels = panel.traits[trait].astype("<U2")
    labels[1] = label
    other = replace(panel, traits={**panel.traits, trait: labels})
    said = assert_equal(kind, name, other, HORIZON)
    assert np.isfinite(said[[0, *range(2, 6)]]).all()


@every_kind
def test_what_models_share_is_one_thing_in_the_bundle_and_one_again(kind: str) -> None:
    models = restored(kind)
    arima, ets, forest = (models[name] for name in ("arima", "ets", "random_forest"))
    assert arima.profile is ets.profile is forest.profile
    mean, ensemble = models["rf_xgb_mean"], models["ensemble"]
    assert mean.members["random_forest"] is forest is ensemble.members["random_forest"]
    assert models["pooled"] is ensemble.members["pooled"]


@every_kind
def test_a_restored_model_has_the_state_that_it_was_made_of(kind: str) -> None:
    """What is packed a second time is the same bundle."""
    first, second = Packed(), Packed()
    panel, models = fitted(kind)
    packed = [first.add(model.state) for model in models.values()]
    again = [second.add(model.state) for model in restored(kind).values()]
    assert json.dumps([packed, first.things]) == json.dumps([again, second.things])
    assert first.npz() == second.npz()
    assert panel is not None


def test_a_state_that_another_release_wrote_is_refused_by_name() -> None:
    made = Restored(lambda _: OnnxTrees(b"").regressor(""))
    for told, state in {
        "oracle": {"kind": "oracle"},
        "dice": {"kind": "baseline", "rule": "dice"},
    }.items():
        with pytest.raises(OlderBundle) as refused:
            made.model(state)
        assert refused.value.message == (
            f"The model of the bundle cannot be read by this release ('{told}'). "
            "Run `python train.py`."
        )


def test_a_graph_without_the_trees_of_a_model_is_refused_by_name() -> None:
    _, models = fitted("weekly stores")
    graph = _of_the_forest(0)
    with pytest.raises(BundleRefused, match="has no trees of xgboost"):
        Restored(OnnxTrees(graph).regressor).model(models["xgboost"].state)


def test_a_graph_of_other_features_is_refused_with_both_numbers() -> None:
    panel, models = fitted("weekly stores")
    made = Restored(OnnxTrees(_of_the_forest(3)).regressor)
    restored = made.model(models["random_forest"].state)
    with pytest.raises(BundleRefused) as refused:
        forecast({"": restored}, panel, 1)
    n = len(feature_names(panel))
    assert refused.value.message == (
        f"trees.onnx takes {n + 3} features, and the trees of random_forest are asked {n}."
    )


def test_a_broken_graph_is_one_sentence_and_the_library_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Trees that lead back to themselves, which the library also writes to standard error."""
    graph = onnx.load_from_string(_of_the_forest(0))
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_truenodeids":
                attribute.ints[:] = [0] * len(attribute.ints)
    with pytest.raises(BundleRefused, match=r"trees\.onnx cannot be loaded"):
        OnnxTrees(graph.SerializeToString())
    assert ("", "") == capfd.readouterr()


def with_file(graph: onnx.ModelProto, place: str) -> None:
    """Let it read a number from a file of the machine, and answer it."""
    number = onnx.TensorProto(
        name="W", data_type=onnx.TensorProto.FLOAT, dims=[1],
        data_location=onnx.TensorProto.EXTERNAL,
    )  # fmt: skip
    number.external_data.add(key="location", value=place)
    graph.graph.initializer.append(number)
    graph.graph.node.append(helper.make_node("Identity", ["W"], ["read"]))
    graph.graph.output.append(helper.make_tensor_value_info("read", onnx.TensorProto.FLOAT, [1]))


def with_operator(graph: onnx.ModelProto, domain: str) -> None:
    """Let it need an operator that somebody would have to bring along."""
    graph.opset_import.append(helper.make_opsetid(domain, 1))
    graph.graph.node.append(helper.make_node("Evil", ["X"], ["E"], domain=domain))
    graph.graph.output.append(helper.make_tensor_value_info("E", onnx.TensorProto.FLOAT, None))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (with_file, "/etc/passwd"),
        (with_file, "../number"),
        (with_file, "number"),
        (with_operator, "evil.domain"),
    ],
)
def test_a_graph_that_is_more_than_trees_is_refused(
    change: Callable[[onnx.ModelProto, str], None],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By whoever may write where bundles lie; the number is there for the taking."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (tmp_path, tmp_path / "here"):
        (folder / "number").write_bytes(bytes(4))
    graph = onnx.load_from_string(_of_the_forest(0))
    change(graph, named)
    with pytest.raises(BundleRefused, match=r"trees\.onnx cannot be loaded"):
        OnnxTrees(graph.SerializeToString())


def test_a_graph_that_fails_when_it_is_asked_is_one_sentence() -> None:
    panel, models = fitted("weekly stores")
    graph = onnx.load_from_string(_of_the_forest(0))
    shape = helper.make_tensor("shape", onnx.TensorProto.INT64, [1], [1_000_003])
    graph.graph.initializer.append(shape)
    graph.graph.node.append(helper.make_node("Reshape", ["X", "shape"], ["Y"]))
    graph.graph.output.append(helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None))
    made = Restored(OnnxTrees(graph.SerializeToString()).regressor)
    restored = made.model(models["random_forest"].state)
    with pytest.raises(BundleRefused) as refused:
        forecast({"": restored}, panel, 1)
    assert "trees.onnx: the trees of random_forest cannot be computed." == refused.value.message


def _of_the_forest(more: int) -> bytes:
    """The graph of the forest alone, which takes so many more features than there are."""
    panel, models = fitted("weekly stores")
    forest = next(of for of in regressors({"": models["random_forest"]}))
    return trees_to_onnx({forest.name: forest.regressor}, len(feature_names(panel)) + more)
