"""LightGBM and CatBoost: there when they are named, told when they are missing, silent always."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.errors import SettingsError
from sales_forecast.models.boosting import BOOSTED, CATBOOST, LIGHTGBM
from sales_forecast.models.catalogue import ALL_FORECASTERS, choose
from sales_forecast.models.pooled import fit_profile
from sales_forecast.models.trees import TREES, TrainingSet, TreeForecaster, training_set
from sales_forecast.tuning import tune
from tests.builders import BOOSTED_IF_INSTALLED, sales_file, sample_panel
from tests.stages import beside_stages, only_stages

DOOR = Path(train.__file__)
NAMES = "lightgbm,catboost"
MEMBERS = ["random_forest", "xgboost", "arima", "pooled", "seasonal_naive_growth"]
if_installed = pytest.mark.parametrize("forecaster", BOOSTED_IF_INSTALLED)
if_both_are_installed = pytest.mark.skipif(
    None in map(find_spec, NAMES.split(",")),
    reason="lightgbm or catboost is not installed: they are the extra `boosting`",
)


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    panel = sample_panel(3)
    return training_set(panel, fit_profile(panel))


@pytest.fixture(scope="module")
def sales_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sales_file(tmp_path_factory.mktemp("boosting"), sample_panel(3))


def python(*arguments: str | Path, cwd: Path = DOOR.parent) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


# Who is asked for


def test_a_training_and_a_search_ask_for_neither_unless_they_are_named():
    assert not {*BOOSTED} & {*ALL_FORECASTERS}
    assert choose(None) == ALL_FORECASTERS
    assert tune.choose(None) == TREES
    code = (
        "import sys\n"
        "from sales_forecast.models import catalogue\nfrom sales_forecast.tuning import tune\n"
        "catalogue.choose(None), catalogue.choose('ensemble,xgboost'), tune.choose(None)\n"
        "print({'lightgbm', 'catboost'} & {*sys.modules})"
    )
    done = python("-c", code)
    assert ("set()\n", "") == (done.stdout, done.stderr)


@if_both_are_installed
@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ("ensemble", []),
        ("ensemble,catboost", ["catboost"]),
        ("ensemble,catboost,lightgbm", ["lightgbm", "catboost"]),
    ],
)
def test_those_that_are_named_are_members_of_the_ensemble_too(asked: str, more: Sequence[str]):
    *_, ensemble = chosen = choose(asked)
    assert [*more, "ensemble"] == [one.name for one in chosen[3:]]
    assert [*MEMBERS, *more] == [member.name for member in ensemble.members]


@if_both_are_installed
def test_the_ensemble_weighs_them():
    panel = sample_panel(3)
    weights = choose(f"ensemble,{NAMES}")[-1].fit(panel).weights
    assert [*MEMBERS, "lightgbm", "catboost"] == [*weights]
    assert pytest.approx(1.0) == sum(weights.values())


@if_both_are_installed
def test_a_search_takes_them():
    assert (CATBOOST, LIGHTGBM) == tune.choose("catboost,lightgbm")


# Who is missing


@pytest.mark.parametrize("command", ["backtest --horizon 1 --windows 1 --step 1", "audit", "tune"])
@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
def test_a_library_that_is_missing_is_told_in_one_line(
    name: str, command: str, sales_csv: Path, monkeypatch, capfd
):
    monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    words = [*command.split(), "--csv", str(sales_csv), "--models", name]
    assert 1 == train.main(words)
    out, err = capfd.readouterr()
    err = beside_stages(err)
    assert "" == out
    assert err.startswith(f"{name} cannot be imported: ")
    assert err.endswith(". To install it: pip install '.[boosting]'\n")
    assert 1 == len(err.splitlines())


def test_a_library_that_lacks_another_one_is_told_with_its_name(tmp_path: Path, monkeypatch):
    (tmp_path / "lightgbm.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError) as refused:
        choose("lightgbm")
    assert refused.value.message == (
        "lightgbm cannot be imported: libgomp.so.1: cannot open. "
        "To install it: pip install '.[boosting]'"
    )


# What they learn


@if_installed
def test_every_hyperparameter_of_its_space_moves_what_it_says(
    forecaster: TreeForecaster, rows: TrainingSet
):
    """A name that the library does not know would be passed over in silence."""

    def says(**other: float) -> list[float]:
        regressor = forecaster.estimator(**{**forecaster.parameters, **other})
        regressor.fit(rows.X, rows.y)
        return regressor.predict(rows.X[:200]).tolist()

    for name, values in forecaster.space.items():
        assert says(**{name: values[0]}) != says(**{name: values[-1]}), name
    assert says(random_state=1) != says(random_state=2)


@if_installed
def test_it_beats_last_years_week_on_what_it_has_not_seen(forecaster: TreeForecaster):
    panel = sample_panel(9)
    missed, last_year = 0.0, 0.0
    for first in (119, 127, 135):
        past, sold = panel.until(panel.periods[first - 1]), panel.y[:, first : first + 8]
        missed += np.abs(forecaster.fit(past).predict(past, 8) - sold).sum()
        last_year += np.abs(panel.y[:, first - 52 : first - 44] - sold).sum()
    assert missed < 0.7 * last_year


# What is seen of them


@if_both_are_installed
def test_a_backtest_with_them_prints_its_table_alone_and_leaves_no_file(
    sales_csv: Path, tmp_path: Path
):
    protocol = ["--horizon", "2", "--windows", "2", "--step", "1"]
    done = python(DOOR, "backtest", "--csv", sales_csv, *protocol, "--models", NAMES, cwd=tmp_path)
    assert 0 == done.returncode
    assert only_stages(done.stderr)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 weeks ahead, 2 windows")
    assert 7 == sum(line.startswith("| ") for line in lines) == len(lines) - 1
    assert lines[-2].startswith("| lightgbm ")
    assert lines[-1].startswith("| catboost ")
    assert [] == [*tmp_path.iterdir()]
