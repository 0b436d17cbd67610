"""What each of those who begin a training runs, read from where it is defined."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from aws_cloud_infra.stacks.jobs import COMMANDS

ROOT = Path(__file__).parents[1]
SAGEMAKER = {
    "SAGEMAKER_ROLE": "arn:aws:iam::123456789012:role/sagemaker",
    "SAGEMAKER_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sales:train",
    "SAGEMAKER_SERVE_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sales:serve",
    "SAGEMAKER_BUCKET": "shop",
}


def dvc() -> list[str]:
    """What DVC runs to have a bundle of stored sales."""
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    trains, _copies = stages["train"]["cmd"]
    return [stages["features"]["cmd"].removeprefix("${python} "),
            trains.split(" || ")[0].removeprefix("${python} ")]  # fmt: skip


def airflow() -> str:
    dag = (ROOT / "pipelines" / "airflow" / "sales_forecast_dag.py").read_text()
    return re.findall(r'return "\.venv/bin/python (.+)"', dag)[-1]


def kubernetes(job: str) -> str:
    manifest = yaml.safe_load((ROOT / "pipelines" / "kubernetes" / "base" / job).read_text())
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return " ".join(pod["containers"][0]["args"]).removeprefix("python ")


def roads() -> dict[str, list[str]]:
    """Road -> the arguments of Python, one command after the other."""
    return {
        "by hand": ["train.py"],
        "DVC": dvc(),
        "Airflow": [airflow()],
        "Kubernetes, training": [kubernetes("training.yaml")],
        "Kubernetes, weekly": [kubernetes("weekly.yaml")],
        "ECS": [" ".join(COMMANDS["weekly"]).removeprefix("python ")],
    }
