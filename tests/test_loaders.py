"""Many loaders at once: `MANY_LOADERS=1` starts 50 on SQLite and 20 on MySQL and PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sales_forecast.data.database import Database

ROOT = Path(__file__).parents[1]
MANY = "MANY_LOADERS" in os.environ
LONG_ENOUGH = 1200


@pytest.mark.skipif(not MANY, reason="minutes of two cores: set MANY_LOADERS=1")
def test_all_of_many_loaders_end_well_and_the_sales_are_there_once(url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": url}
    loaders = [
        subprocess.Popen(
            [sys.executable, str(ROOT / "database_loader.py")],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(50 if url.startswith("sqlite") else 20)
    ]
    printed = [loader.communicate(timeout=LONG_ENOUGH)[0] for loader in loaders]

    said = zip(loaders, printed, strict=True)
    assert [] == [text for loader, text in said if loader.returncode or "Traceback" in text]
    with closing(Database(url)) as database:
        assert 45 == database.read_panel().n_series
