"""The DAG: with AIRFLOW=1 an Airflow of its own, made from the lock, runs it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apart import locked
from tests.service.deployment import Deployment

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "pipelines" / "airflow"
DAG = FOLDER / "sales_forecast_dag.py"
COMMANDS = re.findall(r'return "(.+)"', DAG.read_text())
IMPORTING = """
import sys
opened = []
sys.addaudithook(lambda event, _: event.endswith(".connect") and opened.append(event))
sys.path.insert(0, sys.argv[1])
import sales_forecast_dag
assert not opened, opened
"""
LONGEST = 900


def test_the_dag_names_a_command_for_each_task() -> None:
    assert DAG.read_text().count("@task") == len(COMMANDS) > 1


def test_the_lock_pins_every_package_by_its_hash() -> None:
    lock = (FOLDER / "requirements.txt").read_text()
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert len(packages) > 100
    assert all(re.match(r"[\w.\[\],-]+==\S+", one) and "--hash=sha256:" in one for one in packages)
    assert "://" not in lock


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The programs of an Airflow that the lock made, and its environment."""
    if os.environ.get("AIRFLOW") != "1":
        pytest.skip("AIRFLOW=1 makes an Airflow and runs the DAG, in minutes")
    home = tmp_path / "home"
    with locked("airflow", tmp_path) as made:
        yield (
            made,
            {
                **os.environ,
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "SALES_FORECAST_HOME": str(ROOT),
            },
        )


def run(*command: str | Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    assert 0 == done.returncode, done.stderr[-5000:]
    return done.stdout + done.stderr


def test_airflow_runs_the_dag(airflow: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    programs, environment = airflow
    run(programs / "python", "-c", IMPORTING, FOLDER, environment=environment)
    run(programs / "airflow", "db", "migrate", environment=environment)
    deployment = Deployment(tmp_path)
    try:
        deployment.load(weeks_held_back=2)
        deployment.publish("a champion")
        said = run(
            programs / "airflow", "dags", "test", "sales_forecast", "2026-01-05",
            environment=environment | deployment.environment,
        )  # fmt: skip
        assert "state=success" in said
        assert len(COMMANDS) == said.count("Command exited with return code 0")
        assert "inserted 90, corrected 0" in said
        assert "Wrote 4,680 forecasts of 45 series, 52 weeks after 2012-10-26" in said
    finally:
        deployment.database.close()
