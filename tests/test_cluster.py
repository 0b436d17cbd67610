"""A Dask cluster as the engine: two workers in processes of their own, asked by `train.py`."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pytest

import train
from sales_forecast.compute import cluster, engine
from sales_forecast.errors import EngineError, NotEnoughData
from sales_forecast.models import fit_cache as once
from sales_forecast.models.arima import ARIMA
from sales_forecast.models.trees import XGBOOST
from tests.builders import panel_of, sales_file, sample_panel, with_sales
from tests.dask_cluster import ROOT, DaskCluster
from tests.stages import beside_stages
from tests.work import killing, refused, tripled, where

MODELS = "arima,ets,random_forest,xgboost"
PROTOCOL = ("--horizon", "3", "--windows", "4", "--step", "2")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    made = DaskCluster(tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    made = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.kill()


@pytest.fixture(scope="module")
def address(two_workers: DaskCluster) -> str:
    return two_workers.start(2)


@pytest.fixture(scope="module")
def sales_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sales_file(tmp_path_factory.mktemp("csv"), sample_panel(10))


def measure(
    file: Path, out: Path, *arguments: str
) -> tuple[dict[str, dict[str, float]], pd.DataFrame]:
    """Backtest a file; the scores of each model, and all predictions."""
    once.forget()
    outputs = ("--json", f"{out}.json", "--predictions", f"{out}.csv")
    given = ("--csv", str(file), *PROTOCOL, "--models", MODELS, *outputs, *arguments)
    assert 0 == train.main(["backtest", *given])
    return json.loads(Path(f"{out}.json").read_text())["scores"], pd.read_csv(f"{out}.csv")


def test_a_backtest_on_two_workers_is_that_of_one_machine(
    sales_csv: Path,
    two_workers: DaskCluster,
    address: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scores, predictions = measure(sales_csv, tmp_path / "here")
    there = measure(sales_csv, tmp_path / "there", "--engine", "dask", "--scheduler", address)

    assert "" == beside_stages(capfd.readouterr().err)
    for name in ("arima", "ets", "random_forest"):
        assert scores[name] == there[0][name]
        assert predictions[name].tolist() == there[1][name].tolist()
    # Each worker draws its own rows: as far away as with another seed, and no further.
    np.testing.assert_allclose(there[1]["xgboost"], predictions["xgboost"], rtol=0.03)
    assert pytest.approx(scores["xgboost"]["wape"], rel=0.1) == there[0]["xgboost"]["wape"]
    with distributed.Client(address) as client:
        done = client.run_on_scheduler(lambda dask_scheduler: [*dask_scheduler.task_prefixes])
    assert any(name.startswith("batch_of_each") for name in done)
    for worker in ("worker-0", "worker-1"):
        assert "got rank" in two_workers.log(worker), "XGBoost learned on both"


def test_the_work_is_done_by_the_workers(two_workers: DaskCluster, address: str) -> None:
    with cluster.connected(address):
        found = set(engine.current().map(where, range(400)))
    assert {two_workers.pid("worker-0"), two_workers.pid("worker-1")} == found


def test_what_the_work_raises_is_raised_here(address: str) -> None:
    with (
        cluster.connected(address),
        pytest.raises(ValueError, match=r"^70 is refused$"),
    ):
        engine.current().map(refused, range(100))


def test_a_worker_that_is_lost_half_way_costs_nothing_but_time(
    dask: DaskCluster, tmp_path: Path
) -> None:
    address = dask.start(2)
    work = functools.partial(killing, once_in=tmp_path / "lost")
    with cluster.connected(address):
        assert [3 * item for item in range(200)] == engine.current().map(work, range(200))
    assert (tmp_path / "lost").exists()


def test_a_scheduler_that_is_lost_half_way_is_an_error_in_a_sentence(
    dask: DaskCluster, tmp_path: Path
) -> None:
    address = dask.start(2)
    work = functools.partial(killing, victim=dask.pid("scheduler"), once_in=tmp_path / "lost")
    with (
        pytest.raises(EngineError, match=r"The Dask cluster did not finish: .* Run it again"),
        cluster.connected(address),
    ):
        engine.current().map(work, range(200))


def test_xgboost_learns_where_some_workers_have_no_rows(address: str) -> None:
    panel = sample_panel(3)
    for closed in (1, 2):
        panel = with_sales(panel, series=closed, first=0, stop=None, sales=np.nan)
    here = XGBOOST.fit(panel).predict(panel, 4)
    with cluster.connected(address):
        there = XGBOOST.fit(panel).predict(panel, 4)
    np.testing.assert_allclose(there[0], here[0], rtol=1e-4)  # one worker learned from all rows


def test_a_panel_too_short_is_refused_in_the_same_words(address: str) -> None:
    panel = panel_of(np.full((2, 50), 1000.0))
    with pytest.raises(NotEnoughData) as here:
        XGBOOST.fit(panel)
    with cluster.connected(address), pytest.raises(NotEnoughData) as there:
        XGBOOST.fit(panel)
    assert here.value.message == there.value.message


@pytest.mark.parametrize(
    ("other", "refusal"),
    [
        (True, r"has sales_forecast [0-9a-f]{12}, and here is [0-9a-f]{12}: answers"),
        (False, r"cannot run this package: No module named 'sales_forecast'\. Install"),
    ],
    ids=["another version", "none"],
)
def test_a_cluster_with_other_code_is_refused(
    dask: DaskCluster, tmp_path: Path, other: bool, refusal: str
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    if other:
        shutil.copytree(ROOT / "sales_forecast", code / "sales_forecast")
        with (code / "sales_forecast" / "errors.py").open("a") as errors:
            errors.write("# Another version.\n")
    address = dask.start(1, code)
    with pytest.raises(EngineError, match=refusal), cluster.connected(address):
        pass


def test_a_cluster_without_workers_is_refused_with_the_command_that_starts_one(
    dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 1.0)
    address = dask.start(0)
    with (
        pytest.raises(EngineError, match=f"has no worker. Start one: dask worker {address}$"),
        cluster.connected(address),
    ):
        pass


def test_a_scheduler_that_cannot_be_reached_is_one_line_with_its_address(
    sales_csv: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ("backtest", "--csv", str(sales_csv), *PROTOCOL)
    code = train.main([*given, "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"])

    out, err = capfd.readouterr()
    err = beside_stages(err)
    assert (1, "", 1) == (code, out, len(err.splitlines()))
    assert err.startswith("No Dask scheduler answers at tcp://127.0.0.1:1: Timed out")
    assert "`dask scheduler`" in err


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:80", "tls://127.0.0.1:80"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with (
        pytest.raises(EngineError, match=f"No Dask scheduler answers at {address}: "),
        cluster.connected(address),
    ):
        pass


def test_what_listens_and_never_answers_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EngineError, match="TimeoutError"), cluster.connected(address):
            pass


@pytest.mark.parametrize(
    "given",
    [("--engine", "dask"), ("--scheduler", "tcp://127.0.0.1:1")],
    ids=lambda given: given[0],
)
@pytest.mark.parametrize("command", [(), ("backtest", *PROTOCOL)], ids=["train", "backtest"])
def test_engine_and_scheduler_need_each_other(
    command: tuple[str, ...], given: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        train.main([*command, *given])
    assert 2 == stopped.value.code
    assert "--engine dask and --scheduler ADDRESS need each other" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["publish", "audit", "tune"])
def test_other_commands_are_not_given_to_a_cluster(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        train.main(["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", command])
    assert 2 == stopped.value.code
    assert "--engine dask is for training and backtest alone" in capfd.readouterr().err


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_without_the_package_the_refusal_says_what_to_install(sales_csv: Path) -> None:
    given = ["backtest", "--csv", str(sales_csv), *PROTOCOL]
    done = run(
        "import sys, train; sys.modules['distributed'] = None; "
        f"sys.exit(train.main({[*given, '--engine', 'dask', '--scheduler', 'tcp://127.0.0.1:1']}))"
    )
    assert (1, "", 1) == (
        done.returncode,
        done.stdout,
        len(beside_stages(done.stderr).splitlines()),
    )
    assert "not installed: distributed. Install it: pip install distributed" in done.stderr


def test_who_does_not_ask_for_dask_does_not_import_it(sales_csv: Path) -> None:
    given = ["backtest", "--csv", str(sales_csv), *PROTOCOL, "--models", "arima,xgboost"]
    done = run(
        f"import sys, train; assert train.main({given}) == 0; "
        "print(sorted({'dask', 'distributed'} & set(sys.modules)))"
    )
    assert "[]" == done.stdout.splitlines()[-1]


def test_arima_of_the_same_panel_is_equal_however_many_workers_there_are(address: str) -> None:
    panel = sample_panel(40)
    here = ARIMA.fit(panel).theta
    with cluster.connected(address):
        assert here == ARIMA.fit(panel).theta
        assert [3, 6] == engine.current().map(tripled, [1, 2])
