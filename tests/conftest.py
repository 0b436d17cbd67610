"""What many tests need: a panel, and real data where a folder of it is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_DIR_VARIABLE = "SALES_DATA_DIR"


@pytest.fixture(scope="session")
def walmart_csv() -> Path:
    """The real store file. Skips only where no data folder is named at all."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if not folder:
        pytest.skip(f"real data: set {DATA_DIR_VARIABLE} to a folder with Walmart_Sales.csv")
    file = Path(folder) / "Walmart_Sales.csv"
    assert file.is_file(), f"{DATA_DIR_VARIABLE} names {folder}, which has no Walmart_Sales.csv"
    return file
