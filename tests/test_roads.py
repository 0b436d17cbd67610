"""Whatever begins a training, of one panel it makes one bundle, to the byte."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sales_forecast.bundles.conformance import load_bundle
from sales_forecast.prediction.forecast import forecast
from tests.apart import script
from tests.builders import sales_file, sample_panel
from tests.roads import ROOT, SAGEMAKER, roads
from tests.test_dvc import FEW_WINDOWS

LONGEST = 900


def test_every_road_is_one_of_the_two_doors_that_train() -> None:
    said = {tuple(commands) for commands in roads().values()}
    written = "reports/features.parquet"
    assert {
        ("train.py",),
        ("train.py --if-changed",),
        (f"train.py features --to {written}", f"train.py --features {written}"),
        ("monitor.py run",),  # trains where there is no champion
    } == said
    training = script("sagemaker/pipeline").training(SAGEMAKER)
    *_, commands = training["AlgorithmSpecification"]["ContainerEntrypoint"]
    assert "python train.py" in commands.split(" && ")


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST,
        check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]


def surroundings(folder: Path) -> dict[str, str]:
    """The variables of a process that trains on few windows."""
    params = folder / "params.yaml"
    params.write_text(FEW_WINDOWS)
    kept = {name: value for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "MODEL_URI", "MLFLOW_TRACKING_URI"}}  # fmt: skip
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "PARAMS_FILE": str(params), "PYTHONPATH": str(ROOT), "PATH": programs}


@pytest.mark.skipif(os.environ.get("ROADS") != "1", reason="ROADS=1 trains five times, in minutes")
def test_every_road_of_one_panel_leads_to_the_same_bundle(tmp_path: Path) -> None:
    sales = sales_file(tmp_path, sample_panel(3, 120))
    kept = surroundings(tmp_path)
    manifests = {}
    ran: dict[tuple[str, ...], Path] = {}
    for number, (road, commands) in enumerate(roads().items()):
        folder = ran.setdefault(tuple(commands), tmp_path / f"road {number}")
        if not folder.exists():
            (folder / "reports").mkdir(parents=True)
            environment = {**kept, "VAR_DIR": str(folder / "var")}
            (folder / "var").mkdir()
            for command in (f"database_loader.py --csv '{sales}'", *commands):
                script, *rest = shlex.split(command)
                run([sys.executable, str(ROOT / script), *rest], folder, environment)
        manifests[road] = (folder / "var" / "champion" / "manifest.json").read_bytes()
    manifests["SageMaker"] = by_sagemaker(sales, tmp_path / "sagemaker", kept)
    assert 1 == len({*manifests.values()}), {road: len(of) for road, of in manifests.items()}


@pytest.mark.skipif(os.environ.get("ROADS") != "1", reason="ROADS=1 trains twice, in a minute")
def test_a_bundle_trained_and_asked_on_a_processor_with_less_answers_the_same(
    tmp_path: Path,
) -> None:
    """As far as one machine can be another: numpy and BLAS without what newer processors add."""
    panel = sample_panel(8, 140)
    kept = surroundings(tmp_path)
    less = {"NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4", "OPENBLAS_CORETYPE": "Nehalem"}
    answers = []
    for name, processor in (("this", {}), ("less", less)):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**kept, **processor, "VAR_DIR": str(folder)}
        load = ["database_loader.py", "--csv", str(sales_file(folder, panel))]
        for command in (load, ["train.py"]):
            run([sys.executable, str(ROOT / command[0]), *command[1:]], folder, environment)
        models = load_bundle(folder / "champion").models
        answers.append({name: of.if_sold for name, of in forecast(models, panel, 26).items()})
    here, there = answers
    assert here.keys() == there.keys()
    for model, expected in here.items():
        np.testing.assert_allclose(there[model], expected, rtol=1e-6, err_msg=model)


def by_sagemaker(sales: Path, root: Path, kept: dict[str, str]) -> bytes:
    """Run the command of each job as SageMaker would, with a folder for `/opt/ml`."""
    module = script("sagemaker/pipeline")
    load, train = module.processing(SAGEMAKER), module.training(SAGEMAKER)
    processing, model = root / "processing", root / "model"
    for folder in (processing / "sales", processing / "database", root / "output" / "data", model):
        folder.mkdir(parents=True)
    (processing / "sales" / "Walmart_Sales.csv").write_bytes(sales.read_bytes())
    for job, command in (
        (load, load["AppSpecification"]["ContainerEntrypoint"]),
        (train, train["AlgorithmSpecification"]["ContainerEntrypoint"]),
    ):
        told = [part.replace("/opt/ml", str(root)) for part in command]
        environment = {name: value.replace("/opt/ml", str(root))
                       for name, value in job["Environment"].items()}  # fmt: skip
        run(told, ROOT, {**kept, **environment})
        if job is load:  # what a job writes into its output, the next one finds in its channel
            (root / "input" / "data").mkdir(parents=True)
            (processing / "database").rename(root / "input" / "data" / "database")
    return (model / "manifest.json").read_bytes()
