"""What many tests need: a panel, and real data where a folder of it is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_DIR_VARIABLE = "SALES_DATA_DIR"


@pytest.fixture(scope="session")
def walmart_csv() -> Path:
    """The real store file."""
    return _real("Walmart_Sales.csv")


@pytest.fixture(scope="session")
def walmart_departments() -> Path:
    """The folder of real departments."""
    return _real("walmart_departments")


def _real(name: str) -> Path:
    """Return a file or folder of real data. Skips only where no data folder is named at all."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if not folder:
        pytest.skip(f"real data: set {DATA_DIR_VARIABLE} to a folder with {name}")
    path = Path(folder) / name
    assert path.exists(), f"{DATA_DIR_VARIABLE} names {folder}, which has no {name}"
    return path
