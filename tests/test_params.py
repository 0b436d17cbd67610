"""`params.yaml` chooses what a training does; what it does not name is as in the code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from sales_forecast.errors import SettingsError
from sales_forecast.evaluation.protocols import RollingOrigin
from sales_forecast.models.catalogue import ALL_FORECASTERS, choose, roster
from sales_forecast.models.ensemble import EnsembleForecaster
from sales_forecast.models.trees import TREES, TreeForecaster
from sales_forecast.params import DEFAULTS, Params, code_of, read_params
from sales_forecast.training.challenger import model_challenger
from sales_forecast.training.recipe import Recipe
from sales_forecast.training.training import evaluate
from tests import trained

ROOT = Path(__file__).parents[1]


def chosen(folder: Path, text: str) -> Params:
    file = folder / "params.yaml"
    file.write_text(text)
    return read_params(file)


def test_the_committed_file_names_every_entry_at_its_default() -> None:
    committed = ROOT / "params.yaml"
    assert DEFAULTS == read_params(committed)
    assert DEFAULTS.model_dump(mode="json") == yaml.safe_load(committed.read_text())


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_without_entries_all_is_as_in_the_code(tmp_path: Path, text: str) -> None:
    assert DEFAULTS == chosen(tmp_path, text)
    assert DEFAULTS == read_params(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gates: {}", "gates is not known. Known: windows, models, trees, features, gate."),
        (
            "trees: {xgboost: {depth: 3}}",
            (
                "trees.xgboost.depth is not known. Known: n_estimators, max_depth, learning_rate, "
                "subsample, colsample_bytree, min_child_weight, reg_lambda."
            ),
        ),
        (
            "windows: {weekly: {one_step: {windows: 0}}}",
            "windows.weekly.one_step.windows must be at least 1, not 0.",
        ),
        (
            "windows: {weekly: {one_step: {windows: 3.5}}}",
            "windows.weekly.one_step.windows must be a whole number, not 3.5.",
        ),
        (
            "trees: {xgboost: {max_depth: true}}",
            "trees.xgboost.max_depth must be a whole number, not True.",
        ),
        (
            "gate: {champion_tolerance: 1%}",
            "gate.champion_tolerance must be a number, not '1%'.",
        ),
        (
            "trees: {xgboost: {subsample: 1.5}}",
            "trees.xgboost.subsample must be at most 1, not 1.5.",
        ),
        ("gate: {champion_tolerance: 2}", "gate.champion_tolerance must be at most 1, not 2."),
        ("models: {usual: arima}", "models.usual must be a list, not 'arima'."),
        ("windows: 8", "windows must have entries, not 8."),
        ("gate: [", "line 1: this is not YAML."),
        ("gate: {}\nmodels: {}\ngate: {}", "line 3: gate is said already, in line 1."),
        ("gate: {a: 0, a: 1}", "line 1: a is said already, in line 1."),
        ("just words", "must hold entries such as `gate:`, not 'just words'."),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        chosen(tmp_path, text)
    assert str(tmp_path / "params.yaml") in refused.value.message
    assert refused.value.message.endswith(said)


def test_windows_models_and_hyperparameters_are_those_of_the_file(tmp_path: Path) -> None:
    params = chosen(
        tmp_path,
        """
        windows: {weekly: {one_step: {windows: 5}, many_steps: {horizon: 3, windows: 2, step: 6}}}
        models: {usual: [arima, random_forest, xgboost, ensemble]}
        trees: {xgboost: {max_depth: 5}}
        """,
    )
    recipe = Recipe.of(trained.panel(), params)
    assert {
        "one_step": RollingOrigin(1, 5, 1),
        "many_steps": RollingOrigin(3, 2, 6),
    } == recipe.protocols
    assert [
        "naive", "seasonal_naive", "seasonal_naive_growth", "random_forest", "xgboost", "arima",
        "ensemble", "rf_xgb_mean",
    ] == [forecaster.name for forecaster in recipe.forecasters]  # fmt: skip
    trees = {one.name: one for one in recipe.forecasters if isinstance(one, TreeForecaster)}
    assert {**TREES[1].parameters, "max_depth": 5} == trees["xgboost"].parameters
    assert TREES[0].parameters == trees["random_forest"].parameters
    ensemble = next(one for one in recipe.forecasters if isinstance(one, EnsembleForecaster))
    assert trees["xgboost"] in ensemble.members  # fitted once for both
    assert trees["xgboost"].parameters == choose("xgboost", params)[-1].parameters


def test_of_many_series_fewer_are_tried_and_the_forest_is_no_member() -> None:
    large = roster(large=True)
    assert {one.name for one in ALL_FORECASTERS} - {one.name for one in large} == {
        "ridge", "ets", "random_forest", "rf_xgb_mean",
    }  # fmt: skip
    (ensemble,) = (one for one in large if isinstance(one, EnsembleForecaster))
    assert ["xgboost", "arima", "pooled", "seasonal_naive_growth"] == [
        member.name for member in ensemble.members
    ]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("[arima, xgboost]", "models.usual must name random_forest"),
        ("[random_forest, xgboost]", "models.usual must name arima"),
        ("[arima, lstm2]", "models.usual: unknown lstm2. Known: arima"),
    ],
)
def test_models_that_callers_may_ask_for_must_be_tried(
    tmp_path: Path, models: str, said: str
) -> None:
    params = chosen(tmp_path, f"models: {{usual: {models}}}")
    with pytest.raises(SettingsError, match=said):
        Recipe.of(trained.panel(), params)


def test_a_covariate_that_is_left_out_moves_nothing_and_may_still_be_told(tmp_path: Path) -> None:
    params = chosen(
        tmp_path,
        """
        windows: {weekly: {one_step: {windows: 2}, many_steps: {windows: 1}}}
        models: {usual: [random_forest, xgboost, arima]}
        features: {leave_out: [Temperature, CPI]}
        """,
    )
    whole = trained.first_weeks(100)
    panel = whole.without(params.features.leave_out)
    recipe = Recipe.of(panel, params)
    tables = evaluate(panel, trained.silent, recipe)
    challenger = model_challenger(panel, "x", tables, trained.silent, recipe)
    assert {"Fuel_Price", "Unemployment"} == {*challenger.manifest.condition_ranges}
    assert code_of("abc", params) == code_of("abc", params) != code_of("abc", DEFAULTS) == "abc"
    mean = trained.read(challenger.sealed).models["rf_xgb_mean"]
    usual = {name: np.full((3, 1), values[:, -1:].mean()) for name, values in
             whole.conditions.items()}  # fmt: skip
    told = {**usual, "Temperature": np.full((3, 1), 500.0), "CPI": np.full((3, 1), 1.0)}
    expected = mean.predict(whole, 1, usual)
    np.testing.assert_array_equal(expected, mean.predict(whole, 1, told))
    np.testing.assert_array_equal(expected, mean.predict(panel, 1, usual))


def test_what_is_no_covariate_cannot_be_left_out() -> None:
    with pytest.raises(SettingsError) as refused:
        trained.panel().without(["Holiday_Flag"])
    assert (
        "Holiday_Flag cannot be left out: it is no covariate of these sales. "
        "Known: Temperature, Fuel_Price, CPI, Unemployment."
    ) == refused.value.message
