"""What a test run makes once, in a folder that all its processes share."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

FOLDER = "SHARED_BY_TESTS"
"""The variable that names the folder; conftest.py makes it and takes it away."""
T = TypeVar("T")


def once(name: str, make: Callable[[], T]) -> T:
    """Return what `make` made in the process that asked first; it must be able to be pickled."""
    folder = Path(os.environ[FOLDER])
    kept = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make()))
    return pickle.loads(kept.read_bytes())  # noqa: S301 - one of our own processes wrote it


def empty_mlflow(database: Path) -> None:
    """Make an MLflow database of tables alone: to copy it takes no 60 migrations of MLflow's."""
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(once("mlflow", _migrated), database)


def _migrated() -> Path:
    from sales_forecast.training.tracking.client import quietly  # noqa: PLC0415 - takes seconds

    folder = Path(os.environ[FOLDER])
    with quietly():
        from mlflow.store.tracking import sqlalchemy_store  # noqa: PLC0415 - it warns of itself

        store = sqlalchemy_store.SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder))
        store._dispose_engine()
    # Who opens the copy first says where the artifacts of the first experiment lie.
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("DELETE FROM experiments")
    return folder / "mlflow.db"
