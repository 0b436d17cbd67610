"""Running the notebook: `python -m tests.notebook` writes its outputs in place."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "sales-forecast.ipynb"


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def executed() -> nbformat.NotebookNode:
    """The notebook, run from top to bottom in a process of its own."""
    notebook = read()
    where = {"metadata": {"path": str(ROOT)}}
    # Without times in it, what is computed anew is the same file.
    NotebookClient(notebook, timeout=600, resources=where, record_timing=False).execute()
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
