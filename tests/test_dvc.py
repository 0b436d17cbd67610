"""`dvc.yaml`: its stages are commands of ours; with DVC=1 a DVC of its own lock runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import train
from sales_forecast.commands.arguments import parse_train
from tests.apart import locked
from tests.aws.emulator import emulator
from tests.builders import sales_file, sample_panel

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "dvc.yaml"
STAGES: dict[str, dict[str, Any]] = yaml.safe_load(PIPELINE.read_text())["stages"]
LONGEST = 1200
FEW_WINDOWS = """
windows: {weekly: {one_step: {windows: 2, step: 1}, many_steps: {horizon: 2, windows: 2, step: 2}}}
models: {usual: [random_forest, xgboost, arima, rf_xgb_mean]}
trees: {xgboost: {max_depth: 3}}
features: {leave_out: []}
gate: {champion_tolerance: 0.01}
"""


def commands(stage: str) -> list[str]:
    asked = STAGES[stage]["cmd"]
    return asked if isinstance(asked, list) else [asked]


def test_every_stage_asks_a_door_for_what_it_can_do() -> None:
    assert ["load", "eda", "backtest", "features", "train", "forecast"] == [*STAGES]
    for stage in STAGES:
        for command in commands(stage):
            alone = re.split(r" \|\| | > ", command)[0]
            interpreter, *rest = re.sub(r"\$\{windows[\w.]+\}", "8", alone).split()
            if rest[0] == "train.py":
                assert "${python}" == interpreter
                parse_train(rest[1:], str(train.__doc__))
    assert commands("load")[0].startswith("${python} database_loader.py --csv ${sales}")


def test_what_a_stage_writes_the_next_one_waits_for() -> None:
    written: set[str] = set()
    for stage in STAGES.values():
        needed = {name for name in stage["deps"] if name.startswith("reports/")}
        assert needed <= written
        for out in (*stage.get("outs", ()), *stage.get("metrics", ())):
            written |= {out} if isinstance(out, str) else {*out}
    assert STAGES["eda"]["always_changed"]


def test_the_lock_pins_every_package_by_its_hash() -> None:
    lock = (ROOT / "pipelines" / "dvc" / "requirements.txt").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 50
    pin = re.compile(r"[\w.-]+(\[[\w, -]+\])?==\S+")
    assert all(pin.match(one) and "--hash=sha256:" in one for one in packages)
    assert "://" not in lock


@dataclass(frozen=True)
class Checkout:
    """A clone of this project with a DVC that sees an emulated bucket."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True,
            timeout=LONGEST, check=False,
        )  # fmt: skip
        assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def reproduced(self) -> set[str]:
        """Run what changed; return the stages that were run."""
        return {*re.findall(r"Running stage '(\w+)'", self.run("dvc", "repro"))}

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "as it is now")

    def scores(self) -> Any:
        return json.loads((self.folder / "reports" / "backtest.json").read_text())


def clone(source: Path, folder: Path, environment: dict[str, str]) -> Checkout:
    subprocess.run(["git", "clone", "--quiet", source, folder], check=True)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    return Checkout(folder, environment)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Path]:
    """Where the programs of a DVC are that the lock made."""
    if os.environ.get("DVC") != "1":
        pytest.skip("DVC=1 makes a DVC, of 200 MB, and runs the stages, in minutes")
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    with locked("dvc", tmp_path) as made:
        yield made


def sales(checkout: Checkout, n_weeks: int) -> None:
    folder = checkout.folder / "data"
    folder.mkdir(exist_ok=True)
    sales_file(folder, sample_panel(3, n_weeks)).replace(folder / "Walmart_Sales.csv")


def test_dvc_runs_what_changed_keeps_it_in_a_bucket_and_compares_experiments(
    programs: Path, tmp_path: Path
) -> None:
    with emulator() as account:
        account.session().client("s3", region_name="us-east-1").create_bucket(Bucket="dvc")
        aws = account.environment()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"},
            **aws,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "DVC_NO_ANALYTICS": "1",
            **{f"GIT_{who}_{what}": "nobody@example.org" for who in ("AUTHOR", "COMMITTER")
               for what in ("NAME", "EMAIL")},
        }  # fmt: skip
        for name in ("VAR_DIR", "DATABASE_URL", "MLFLOW_TRACKING_URI", "MODEL_URI"):
            environment.pop(name, None)
        here = clone(ROOT, tmp_path / "here", environment)
        (here.folder / "params.yaml").write_text(FEW_WINDOWS)
        sales(here, 120)
        assert {*STAGES} == here.reproduced()
        here.commit()
        before = here.scores()

        # The same bundle as without DVC, of the same sales.
        alone = {"VAR_DIR": str(tmp_path / "alone"), "DATABASE_URL": "sqlite:///var/sales.db"}
        replace(here, environment={**environment, **alone}).run(".venv/bin/python", "train.py")
        manifests = [
            folder / "manifest.json"
            for folder in (here.folder / "reports" / "bundle", tmp_path / "alone" / "champion")
        ]
        assert manifests[0].read_bytes() == manifests[1].read_bytes()

        # Nothing changed: only the sales are looked at.
        assert {"eda"} == here.reproduced()

        # Another hyperparameter: an experiment, which loads nothing.
        said = here.run("dvc", "exp", "run", "--set-param", "trees.xgboost.max_depth=2")
        assert {"eda", "backtest", "train", "forecast"} >= {
            *re.findall(r"Running stage '(\w+)'", said)
        }
        assert before["scores"]["arima"] == here.scores()["scores"]["arima"]
        assert before["scores"]["xgboost"] != here.scores()["scores"]["xgboost"]
        compared = here.run("dvc", "exp", "diff")
        assert re.search(r"params\.yaml\s+trees\.xgboost\.max_depth\s+3\s+2", compared)
        assert "scores.xgboost" in compared
        here.commit()

        # A new week: everything that stands on sales.
        sales(here, 121)
        assert {*STAGES} == here.reproduced()
        here.commit()

        # To a bucket, and from there into a fresh clone.
        here.run("dvc", "remote", "add", "--default", "bucket", "s3://dvc/store")
        here.run("dvc", "remote", "modify", "bucket", "endpointurl", aws["AWS_ENDPOINT_URL"])
        here.commit()
        here.run("dvc", "push")
        there = clone(here.folder, tmp_path / "there", environment)
        there.run("dvc", "pull")
        for name in ("bundle/manifest.json", "features.parquet", "predictions.csv", "eda.html"):
            files = [checkout.folder / "reports" / name for checkout in (here, there)]
            assert files[0].read_bytes() == files[1].read_bytes(), name
        assert here.scores() == there.scores()
