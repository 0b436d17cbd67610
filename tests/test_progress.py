"""What a command says where there is no terminal."""

from __future__ import annotations

import io
import sys
from threading import Event

import pytest

from sales_forecast.commands import progress


class Said(io.StringIO):
    """A standard error that tells when a text stands in it."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self.awaited, self.there = awaited, Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.awaited in self.getvalue():
            self.there.set()
        return count


def test_each_stage_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    with progress.shown() as show:
        for text in (
            "importing",
            "one step: window 1 of 2",
            "one step: window 2 of 2",
            "[writing]",
        ):
            show(text)
    assert "importing\none step\n[writing]\n" == said.getvalue()


def test_a_long_stage_is_told_again_with_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", said := Said("one step: window 2 of 2: fitting arima\n" * 2))
    with progress.shown(silence=0.01) as show:
        show("one step: window 1 of 2: fitting naive")
        show("one step: window 2 of 2: fitting arima")
        assert said.there.wait(30)
    assert said.getvalue().startswith("one step\n")
