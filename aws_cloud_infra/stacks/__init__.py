"""Which resources each stack is made of, and how they hang together."""

from __future__ import annotations

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.stacks.mlflow import mlflow
from aws_cloud_infra.stacks.serving import serving
from aws_cloud_infra.stacks.shared import shared


def both(aws: Aws, *, final_snapshot: bool = True) -> tuple[Stack, Stack]:
    """Return the serving and the MLflow stack; `final_snapshot` is for when data is destroyed."""
    common = shared(aws)
    tracking = mlflow(aws, common, final_snapshot=final_snapshot)
    return serving(aws, common, beside=tracking.own), tracking
