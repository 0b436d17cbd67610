"""The search: what it may see, what it tries, and that it measures what the backtest measures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import train
from sales_forecast.data.panel import Panel
from sales_forecast.errors import NotEnoughData, SettingsError
from sales_forecast.evaluation.backtest import backtest
from sales_forecast.evaluation.metrics import wmae
from sales_forecast.evaluation.protocols import MANY_STEPS, ONE_STEP, RollingOrigin
from sales_forecast.models.boosting import BOOSTED
from sales_forecast.models.trees import RANDOM_FOREST, TREES, XGBOOST, TreeForecaster
from sales_forecast.tuning import tune
from sales_forecast.tuning.trials import Found
from tests.builders import sales_file, sample_panel
from tests.stages import only_stages

pytestmark = pytest.mark.usefixtures("on_one_thread")

SMALL = replace(
    XGBOOST,
    parameters={"n_estimators": 5, "max_depth": 2, "subsample": 0.7},
    space={"max_depth": (1, 2, 3), "n_estimators": (1, 5)},
)


# What may be seen


def test_no_week_of_either_reported_protocol_is_searched():
    panel = sample_panel(2)
    searched = tune.searchable(panel)

    assert 143 - 39 == searched.n_periods
    for split in (ONE_STEP, MANY_STEPS):
        assert searched.periods[-1] <= split.cutoffs(panel)[0]


def test_a_search_until_a_day_ends_with_the_last_week_that_had_ended():
    panel = sample_panel(2)

    assert date(2011, 10, 28) == tune.searchable(panel, date(2011, 10, 28)).last
    assert date(2011, 10, 28) == tune.searchable(panel, date(2011, 11, 3)).last
    assert date(2012, 1, 27) == tune.searchable(panel, date(2012, 1, 27)).last


def test_a_search_among_the_reported_weeks_is_refused_with_the_latest_day():
    with pytest.raises(SettingsError) as refused:
        tune.searchable(sample_panel(2), date(2012, 2, 3))
    assert refused.value.message == (
        "--until 2012-02-03: the last 39 weeks are reported, so nothing may be chosen on them. "
        "Search at the latest until 2012-01-27."
    )


@pytest.mark.parametrize(
    ("weeks", "until", "says"),
    [
        (114, None, "reported; there are 75. Load at least 1 more."),
        (39, None, "reported; there are 0. Load at least 76 more."),
        (20, None, "reported; there are 0. Load at least 95 more."),
        (114, date(2012, 1, 6), "reported; there are 75. Load at least 1 more."),
        (143, date(2011, 7, 8), "reported and until 2011-07-08; there are 75. Give a later"),
        (143, date(2009, 1, 1), "reported and until 2009-01-01; there are 0. Give a later"),
    ],
)
def test_too_few_weeks_are_refused_with_both_numbers(weeks, until, says):
    with pytest.raises(NotEnoughData) as refused:
        tune.searchable(sample_panel(1, weeks), until)
    assert refused.value.message.startswith("A search needs at least 76 weeks of sales before the")
    assert says in refused.value.message
    assert 76 == refused.value.fields["needed"]


def test_as_few_weeks_as_are_needed_hold_a_window_of_many_steps():
    panel = tune.searchable(sample_panel(1, 115))

    assert [RollingOrigin(1, 11, 1), RollingOrigin(8, 1, 4)] == tune.protocols(panel)
    assert 76 == panel.n_periods


def test_windows_are_told_with_their_dates_and_holidays():
    told = tune.describe_windows(tune.searchable(sample_panel(2), date(2011, 10, 28)))
    assert told.splitlines() == [
        "1 week ahead, 26 windows 1 week apart, cutoffs 2011-04-29 .. 2011-10-21, 2 series",
        "8 weeks ahead, 4 windows 4 weeks apart, cutoffs 2011-05-20 .. 2011-08-12, 2 series",
        "26 weeks are judged, holiday weeks among them: 1",
    ]


# What is tried


@pytest.mark.parametrize("forecaster", [*TREES, *BOOSTED], ids=lambda forecaster: forecaster.name)
def test_the_defaults_are_the_first_of_as_many_different_trials_as_were_asked_for(forecaster):
    trials = tune.draw(forecaster, 30, seed=0)

    assert forecaster.parameters == trials[0]
    assert 30 == len({tuple(trial.items()) for trial in trials})
    for trial in trials[1:]:
        assert forecaster.parameters.keys() == trial.keys()
        assert all(trial[name] in values for name, values in forecaster.space.items())


def test_equal_seeds_draw_equal_trials_and_others_draw_others():
    assert tune.draw(XGBOOST, 5, seed=1) == tune.draw(XGBOOST, 5, seed=1)
    assert tune.draw(XGBOOST, 5, seed=1) != tune.draw(XGBOOST, 5, seed=2)


@pytest.mark.parametrize(("asked", "drawn"), [(1, 1), (2, 2), (6, 6), (100, 6)])
def test_a_small_space_is_tried_as_a_whole(asked, drawn):
    assert drawn == len(tune.draw(SMALL, asked, seed=0))


@pytest.mark.parametrize("forecaster", TREES, ids=lambda forecaster: forecaster.name)
def test_every_default_and_every_value_of_a_space_is_a_hyperparameter(forecaster):
    known = forecaster.make().get_params()

    assert forecaster.space.keys() <= forecaster.parameters.keys() <= known.keys()
    assert all(known[name] == value for name, value in forecaster.parameters.items())


def test_models_are_chosen_by_name():
    assert TREES == tune.choose(None)
    assert (XGBOOST, RANDOM_FOREST) == tune.choose("xgboost, random_forest,xgboost")
    with pytest.raises(SettingsError) as refused:
        tune.choose("xgboost,ridge,arima")
    assert refused.value.message == (
        "--models: arima, ridge cannot be tuned. Known: random_forest, xgboost, lightgbm, catboost."
    )


# What is measured


def test_misses_add_up_to_the_wmae_of_the_backtest():
    panel = tune.searchable(sample_panel(2))
    trials = [replace(SMALL, name=str(n), parameters={"n_estimators": n}) for n in (1, 3)]
    for split in tune.protocols(panel):
        table = backtest(panel, trials, split)
        y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
        expected = [wmae(y, table[trial.name].to_numpy(), holiday) for trial in trials]
        misses = tune.weekly_misses(panel, trials, split, lambda _: None)

        assert (104, 2) == misses.shape
        assert {True, False} == set((holiday > 0).tolist())
        np.testing.assert_allclose(misses.sum(axis=0) / (1 + 4 * holiday).sum(), expected)
        first = int(np.flatnonzero(misses.any(axis=1))[0])
        assert split.cutoffs(panel)[0] == panel.periods[first - 1]


class Doubtful:
    """Says that sales change by as much as its parameters say, whatever it was taught."""

    def __init__(self, change, random_state):
        self.change = change + 0.001 * random_state

    def fit(self, X, y):
        del X, y

    def predict(self, X):
        return np.full(len(X), self.change)

    def set_params(self, *, n_jobs):
        del n_jobs


CHANGES = (-0.6, -0.4, 0.0, 0.1, 0.4, 0.6)
DOUBTFUL = TreeForecaster("doubtful", Doubtful, {"change": 0.3}, {"change": CHANGES})


@pytest.fixture(scope="module")
def short() -> Panel:
    """As few weeks as can be searched."""
    return tune.searchable(sample_panel(3, 115))


@pytest.fixture(scope="module")
def found(short: Panel) -> Found:
    """What a search of all changes finds."""
    return tune.search(short, DOUBTFUL, 30)


def test_the_best_setting_is_found_and_only_the_best_third_is_looked_at_closely(found):
    # A third of six, rounded up, and the defaults.
    assert [0.0, 0.1, 0.3] == [trial.parameters["change"] for trial in found.finalists]
    assert 7 == found.n_trials
    assert found.improves
    assert (1.0, 0.0) == (found.finalists[-1].relative_error, found.finalists[-1].standard_error)


def test_relative_errors_are_those_of_both_protocols_and_of_seeds_that_chose_nothing(short, found):
    ratios = []
    for split in tune.protocols(short):
        errors = {}
        for change in (0.0, 0.3):
            seeded = [
                TreeForecaster(f"seed {seed}", partial(Doubtful, change, seed))
                for seed in range(1, 6)
            ]
            table = backtest(short, seeded, split)
            y, holiday = table["y"].to_numpy(), table["holiday"].to_numpy()
            each = [wmae(y, table[one.name].to_numpy(), holiday) for one in seeded]
            errors[change] = np.mean(each)
        ratios.append(errors[0.0] / errors[0.3])

    assert found.finalists[0].relative_error == pytest.approx(np.mean(ratios), rel=1e-12)


def test_where_every_other_setting_is_worse_the_defaults_stay(short):
    best = replace(DOUBTFUL, parameters={"change": 0.0})
    found = tune.search(short, best, 30)

    assert {"change": 0.0} == found.finalists[0].parameters == found.defaults
    assert not found.improves


def test_the_same_search_finds_the_same(short):
    assert tune.search(short, SMALL, 4, seed=3) == tune.search(short, SMALL, 4, seed=3)


def test_what_is_fitted_is_told(short):
    told: list[str] = []
    tune.search(short, DOUBTFUL, 2, progress=told.append)
    assert (
        "doubtful, 2 fits each time: window 1 of 11: fitting change=0.3, random_state=0" == told[0]
    )
    assert any("10 fits each time" in text for text in told)


def test_sales_of_reported_weeks_move_nothing():
    panel = sample_panel(2, 115)
    other = replace(panel, y=np.where(np.arange(115) < 76, panel.y, 1e9))
    found = [tune.search(tune.searchable(one), SMALL, 3) for one in (panel, other)]
    assert found[0] == found[1]


# The command


@pytest.fixture(scope="module")
def sales_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sales_file(tmp_path_factory.mktemp("tune"), sample_panel(2))


def test_the_command_prints_windows_trials_and_what_to_commit(sales_csv, capfd):
    arguments = ["--until", "2011-07-29", "--trials", "4", "--models", "xgboost"]
    assert 0 == train.main(["tune", "--csv", str(sales_csv), *arguments])

    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert only_stages(err)
    assert lines[0].startswith("1 week ahead, 13 windows 1 week apart, cutoffs 2011-04-29 ..")
    assert "xgboost: the best of 4 trials" == lines[4]
    assert 1 == sum("(defaults)" in line for line in lines)
    advice = ("Keep the defaults of xgboost, with", "Commit as the defaults of xgboost:")
    assert 1 == sum(line.startswith(advice) for line in lines)
    command = f"--csv {sales_csv} --layout stores --until 2011-07-29 --trials 4 --seed 0`"
    assert 1 == sum(f"`python train.py tune {command}" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--until", "2012-10-26"], "Search at the latest until 2012-01-27."),
        (["--until", "2010-10-29"], "there are 39. Give a later --until."),
        (["--models", "ridge"], "--models: ridge cannot be tuned."),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(sales_csv, capfd, arguments, says):
    assert 1 == train.main(["tune", "--csv", str(sales_csv), *arguments])
    out, err = capfd.readouterr()
    assert "" == out
    *stages, refusal = err.splitlines()
    assert says in refusal
    assert only_stages("\n".join(stages))


@pytest.mark.parametrize(
    "arguments",
    [["--until", "28-10-2011"], ["--trials", "0"], ["--seed", "-1"], ["--seed", "4294967296"]],
)
def test_wrong_usage_exits_with_2(arguments, capfd):
    with pytest.raises(SystemExit) as stopped:
        train.main(["tune", *arguments])
    assert 2 == stopped.value.code
    assert capfd.readouterr().err.startswith("usage: ")
