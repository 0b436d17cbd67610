"""The serving stack on AWS: plan, apply, status, destroy, cost and policy. See docs/aws.md."""

from __future__ import annotations

import sys
from pathlib import Path

# As a script: import the package from beside its folder, not its modules as if they were libraries.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from aws_cloud_infra.account.clients import Aws
from aws_cloud_infra.commands.main import main
from aws_cloud_infra.engine.stack import Stack
from aws_cloud_infra.stacks import both
from sales_forecast.commands.ending import ended


def build(aws: Aws, *, final_snapshot: bool) -> tuple[Stack, Stack]:
    """Provision the forecasting service: registry, load balancer, tasks, alarms, schedules."""
    return both(aws, final_snapshot=final_snapshot)


if __name__ == "__main__":
    sys.exit(ended(lambda: main(build, operates=True)))
