"""Who was champion, from when to when and why, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from sales_forecast.data import deployments
from sales_forecast.data.database import Database
from sales_forecast.data.deployments import Cause, Deployment, Deployments, champions

FIRST, LATER = datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 8, 9, 30, 59, tzinfo=UTC)
ONE, OTHER = Cause("train.py", "it is the first", '{"passed": true}'), Cause("a person", "ä <b>")


@pytest.fixture
def table(url: str) -> Iterator[Deployments]:
    with closing(Database(url)) as database:
        database.migrate()
    with closing(Deployments(url)) as table:
        yield table


def test_a_champion_ends_when_the_next_begins(
    table: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [] == table.all()
    moments = iter([FIRST, LATER])
    monkeypatch.setattr(deployments, "now", lambda: next(moments))
    assert table.record("A", ONE)
    assert [Deployment("A", FIRST, None, ONE)] == table.all()
    assert not table.record("A", OTHER)
    assert table.record("B", OTHER)
    assert [
        Deployment("A", FIRST, LATER, ONE),
        Deployment("B", LATER, None, OTHER),
    ] == table.all()


@pytest.mark.parametrize(
    ("history", "path"),
    [
        ("", ""),
        ("A", "A"),
        ("ABC", "ABC"),
        ("ABA", "A"),
        ("ABCB", "AB"),
        ("ABCBD", "ABD"),
        ("ABAB", "AB"),
    ],
)
def test_going_back_takes_back_what_came_after(history: str, path: str) -> None:
    rows = [Deployment(version, FIRST, None, ONE) for version in history]
    assert list(path) == list(champions(rows))


def test_a_command_is_written_down_with_who_ran_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no username set")

    monkeypatch.setattr(deployments.getpass, "getuser", lambda: "ann")
    monkeypatch.setattr(deployments.platform, "node", lambda: "shop")
    assert "train.py, ann on shop" == deployments.who("train.py")
    monkeypatch.setattr(deployments.getpass, "getuser", nobody)
    assert "train.py, nobody by name on shop" == deployments.who("train.py")
    assert 128 == len(deployments.who("x" * 200))
