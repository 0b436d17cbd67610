"""Files are written as a whole or not at all; pipes and devices are written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sales_forecast.commands import outputs
from sales_forecast.reports.whole import whole


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    outputs.check(pipe)
    outputs.write(pipe, "what is told")
    assert b"what is told" == os.read(reader, 100)
    assert pipe.is_fifo()
    assert [pipe] == [*tmp_path.iterdir()]


def test_where_anything_is_raised_the_old_file_stays_and_nothing_is_beside_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "out.csv"
    file.write_text("old")

    def half_way() -> None:
        with whole(file) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_way()
    assert ["old"] == [of.read_text() for of in tmp_path.iterdir()]


def test_what_cannot_take_its_place_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "out.csv"
    folder.mkdir()
    with pytest.raises(IsADirectoryError), whole(folder) as aside:
        aside.write_text("new")
    assert [folder] == [*tmp_path.iterdir()]
