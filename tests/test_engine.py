"""The engine of this machine: the same answers, in this process or in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from sales_forecast.compute import engine
from sales_forecast.compute.engine import Local
from sales_forecast.errors import EngineError
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.ets import ETS
from tests.builders import sample_panel
from tests.work import killing, refused, tripled, where

ROOT = Path(__file__).parents[1]
IN_PROCESSES = Local(worthwhile=1)
several_cores = pytest.mark.skipif(joblib.cpu_count() == 1, reason="one core: no other process")


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 100])
def test_answers_come_in_the_order_of_what_was_asked(n: int) -> None:
    expected = [3 * item for item in range(n)]
    assert expected == IN_PROCESSES.map(tripled, range(n))
    assert expected == Local().map(tripled, range(n))


@several_cores
def test_many_items_are_given_to_other_processes() -> None:
    assert os.getpid() not in IN_PROCESSES.map(where, range(100))


def test_few_items_stay_in_this_process() -> None:
    assert {os.getpid()} == set(Local().map(where, range(255)))


@pytest.mark.parametrize("of", [IN_PROCESSES, Local()], ids=["processes", "here"])
def test_what_the_work_raises_is_raised_here(of: Local) -> None:
    with pytest.raises(ValueError, match=r"^70 is refused$"):
        of.map(refused, range(100))


@several_cores
def test_a_process_that_is_killed_is_an_error_with_the_remedy() -> None:
    with pytest.raises(EngineError, match="Set LOKY_MAX_CPU_COUNT to fewer processes"):
        IN_PROCESSES.map(killing, range(100))


def test_arima_and_ets_learn_the_same_bits_in_processes() -> None:
    panel = sample_panel(40)
    here = ARIMA.fit(panel).theta, ETS.fit(panel).parameters
    with engine.using(IN_PROCESSES):
        theta, parameters = ARIMA.fit(panel).theta, ETS.fit(panel).parameters
    assert here[0] == theta
    assert [*here[1]] == [*parameters]
    np.testing.assert_array_equal([*here[1].values()], [*parameters.values()])


def test_an_engine_is_used_until_its_block_ends() -> None:
    before = engine.current()
    with engine.using(IN_PROCESSES):
        assert engine.current() is IN_PROCESSES
    assert engine.current() is before


def test_what_statsmodels_warns_of_in_processes_reaches_no_terminal() -> None:
    code = """
from sales_forecast.compute import engine
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.ets import ETS
from tests.builders import sample_panel
from tests.work import killing, refused, tripled, where
if __name__ == "__main__":
    with engine.using(engine.Local(worthwhile=1)):
        for model in (ARIMA, ETS):
            model.fit(sample_panel(40))
"""
    done = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
