"""Monday's work for Airflow 3: every task is one command of the project.

Takes SALES_FORECAST_HOME, the folder of the checkout with its `.venv` (`make setup`); the commands
read their settings from the environment and from `.env` there. Being imported it opens nothing.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

HOME = os.environ.get("SALES_FORECAST_HOME", "/opt/sales-forecast")


@dag(
    schedule="0 6 * * 1",  # Mondays, in UTC
    start_date=datetime(2026, 1, 5, tzinfo=UTC),
    catchup=False,  # a run is for the week in which it happens
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
)
def sales_forecast() -> None:
    """Load what was sold and judge the forecasts of it; then the weekly job."""

    @task.bash(cwd=HOME)
    def load() -> str:
        return ".venv/bin/python database_loader.py"

    @task.bash(cwd=HOME)
    def run() -> str:
        return ".venv/bin/python monitor.py run"

    load() >> run()


sales_forecast()
