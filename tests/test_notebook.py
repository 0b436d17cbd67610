"""The notebook: runs from top to bottom on the sample, and is committed as it ran."""

from __future__ import annotations

import os
import re

import nbformat
import pytest

from tests import notebook


def outputs(of: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in of.cells if cell.cell_type == "code" for output in cell.outputs]


def text(of: nbformat.NotebookNode) -> str:
    """All that one can read in the outputs."""
    return "\n".join(
        output.get("text") or str({**output.get("data", {}), "image/png": None})
        for output in outputs(of)
    )


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    if os.environ.get("NOTEBOOK") != "1":
        pytest.skip("NOTEBOOK=1 runs it, in a minute")
    return notebook.executed()


@pytest.fixture(params=["executed", "committed"])
def ran(request) -> nbformat.NotebookNode:
    if request.param == "committed":
        return notebook.read()
    return request.getfixturevalue("executed")


def test_every_cell_ran_in_order_and_without_an_error(ran):
    cells = [cell for cell in ran.cells if cell.cell_type == "code"]
    assert [*range(1, len(cells) + 1)] == [cell.execution_count for cell in cells]
    assert {"execute_result", "display_data", "stream"} == {out.output_type for out in outputs(ran)}


def test_nothing_warns(ran):
    assert set() == {output.name for output in outputs(ran) if "name" in output} - {"stdout"}
    assert "Warning" not in text(ran)


def test_no_output_tells_where_it_was_made(ran):
    assert [] == re.findall(r"0x[0-9a-f]{6,}|/home/|/root/|/tmp/|/Users/", text(ran))


def test_a_cell_draws_as_often_today_as_when_it_was_committed(executed):
    def pictures(of: nbformat.NotebookNode) -> list[int]:
        return [
            sum("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
            for cell in of.cells
        ]

    assert sum(pictures(executed)) >= 9
    assert pictures(notebook.read()) == pictures(executed)


def test_the_committed_outputs_hold_the_lstm():
    assert "Skipped" not in text(notebook.read())
    assert "| lstm" in text(notebook.read())


def test_the_readme_says_of_the_lstm_what_was_found():
    readme = " ".join((notebook.NOTEBOOK.parent / "README.md").read_text().split())
    found = re.findall(r"WMAE of the LSTM is (\S+) (\w+) that of (\w+)", text(notebook.read()))
    one_week, many_weeks = found[:2], found[2:]
    for (first, side, rival), (later, later_side, _) in zip(one_week, many_weeks, strict=True):
        name = {"arima": "ARIMA", "pooled": "the pooled process"}[rival]
        assert side == later_side
        assert f"{first} and {later} {side} that of {name}" in readme


def test_it_is_small_enough_to_look_at():
    assert notebook.NOTEBOOK.stat().st_size < 1_500_000
