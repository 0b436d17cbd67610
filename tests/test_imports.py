"""Who may import what: the rooms of the house, held by reading the code."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOORS = ("main.py", "train.py", "monitor.py", "client.py", "database_loader.py")
FILES = sorted([
    *ROOT.glob("sales_forecast/**/*.py"),
    *ROOT.glob("aws_cloud_infra/**/*.py"),
    *(ROOT / door for door in DOORS),
])  # fmt: skip

# Where a library may be imported; "x/" means any module of that folder.
ALLOWED = {
    "pandas": (
        "sales_forecast/evaluation/", "sales_forecast/training/",
        "sales_forecast/operations/monitoring/planting.py",
        "sales_forecast/operations/monitoring/walk.py",
    ),
    "sklearn": ("sales_forecast/models/trees.py", "sales_forecast/models/ridge.py",
                "sales_forecast/tuning/"),
    "xgboost": ("sales_forecast/models/trees.py", "sales_forecast/models/export.py",
                "sales_forecast/compute/cluster.py"),
    "alembic": ("sales_forecast/data/",),
    "joblib": ("sales_forecast/compute/",),
    "dask": ("sales_forecast/compute/cluster.py",),
    "distributed": ("sales_forecast/compute/cluster.py",),
    "lightgbm": ("sales_forecast/models/boosting.py",),
    "catboost": ("sales_forecast/models/boosting.py",),
    "statsmodels": ("sales_forecast/models/arima.py", "sales_forecast/models/ets.py"),
    "scipy": (
        "sales_forecast/models/pooled.py", "sales_forecast/operations/monitoring/drift.py",
    ),
    "holidays": ("sales_forecast/data/public_holidays.py",),
    "torch": ("sales_forecast/models/lstm.py",),
    "threadpoolctl": ("sales_forecast/compute/threads.py",),
    "onnx": ("sales_forecast/models/export.py",),
    "skl2onnx": ("sales_forecast/models/export.py",),
    "onnxmltools": ("sales_forecast/models/export.py",),
    "onnxruntime": ("sales_forecast/models/fitted/", "sales_forecast/service/"),
    "mlflow": ("sales_forecast/training/tracking/", "aws_cloud_infra/mlflow_host/start.py"),
    "urllib3": ("sales_forecast/training/tracking/patience.py",),
    "matplotlib": ("sales_forecast/evaluation/",),
    "sqlalchemy": ("sales_forecast/data/",),
    "fastapi": ("sales_forecast/service/", "main.py"),
    "starlette": ("sales_forecast/service/", "sales_forecast/web/", "main.py"),
    "jinja2": ("sales_forecast/web/",),
    "uvicorn": ("sales_forecast/service/server.py", "sales_forecast/service/connection.py"),
    "prometheus_client": ("sales_forecast/service/prometheus.py",),
    "pydantic_settings": (
        "sales_forecast/settings.py", "aws_cloud_infra/account/settings.py",
        "aws_cloud_infra/account/checks.py",
    ),
    "httpx": ("client.py",),
    "pyarrow": ("sales_forecast/operations/parquet_export.py", "sales_forecast/training/"),
    "yaml": ("sales_forecast/params.py",),
    "rich": ("sales_forecast/commands/progress.py", "aws_cloud_infra/commands/progress.py"),
    "boto3": ("aws_cloud_infra/", "sales_forecast/data/files/s3.py",
              "sales_forecast/operations/aws_calls.py"),
    "botocore": ("aws_cloud_infra/", "sales_forecast/data/files/s3.py",
                 "sales_forecast/operations/aws_calls.py"),
    "pymysql": ("aws_cloud_infra/mlflow_host/start.py",),
    "pickle": (),
}  # fmt: skip


@cache
def imports_of(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_imported_only_in_its_room(library: str) -> None:
    users = {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name.split(".")[0] == library for name in imports_of(file))
    }
    strangers = {user for user in users if not user.startswith(ALLOWED[library] or ("nowhere",))}
    assert set() == strangers


def test_only_the_doors_print() -> None:
    printing = {
        str(file.relative_to(ROOT))
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing <= {
        *DOORS,
        "aws_cloud_infra/commands/main.py",
        "aws_cloud_infra/commands/operate.py",
        "aws_cloud_infra/commands/verbs.py",
        *(
            f"aws_cloud_infra/operating/{of}.py"
            for of in ("job", "load", "logs", "release", "tunnel")
        ),
        "aws_cloud_infra/release.py",
        "aws_cloud_infra/releasing/check.py",
        "aws_cloud_infra/releasing/images.py",
    }


def test_nobody_reads_the_environment_but_pydantic_for_the_settings() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert {
        # It only tells MLflow, before MLflow is there to be told, to report nothing.
        "sales_forecast/training/tracking/__init__.py",
        # The same for ONNX Runtime.
        "sales_forecast/models/fitted/__init__.py",
        "aws_cloud_infra/account/settings.py",
        # It only tells its workers, before they start, where to count together.
        "main.py",
        # It is installed on the host alone, where the environment is all it is told.
        "aws_cloud_infra/mlflow_host/start.py",
        # It only hands it on, with the session that AWS's plugin is to open.
        "aws_cloud_infra/operating/tunnel.py",
    } == readers


def test_mlflow_reports_its_use_to_nobody() -> None:
    code = (
        "import sales_forecast.training.tracking.client\n"
        "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY as off\n"
        "print(off.get())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "True" == done.stdout.strip()


def test_onnx_runtime_reports_its_use_to_nobody(tmp_path: Path) -> None:
    """Else it leaves an identifier in the home folder, and sends it."""
    code = "import main, onnxruntime"
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert [] == [file for file in tmp_path.rglob("*") if file.is_file()]


def test_the_service_imports_no_training_library_no_pandas_and_no_mlflow() -> None:
    heavy = [
        "pandas",
        "sklearn",
        "xgboost",
        "statsmodels",
        "mlflow",
        "matplotlib",
        "onnx",
        "holidays",
    ]
    assert [] == _imported_by("main", heavy)


@pytest.mark.parametrize("door", ["main", "database_loader", "train", "monitor"])
def test_the_driver_of_a_database_is_imported_for_who_has_one(door: str) -> None:
    assert [] == _imported_by(door, ["psycopg", "pymysql"])


def _imported_by(door: str, names: Sequence[str]) -> list[str]:
    code = f"import json, sys, {door}; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    there = json.loads(done.stdout)
    return [name for name in names if name in there]
