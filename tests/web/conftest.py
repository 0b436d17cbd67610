"""The shops of these tests, made once a run; each process changes a copy of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import shared
from tests.web.world import World, of_ones_own, world


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> World:
    """Four stores."""
    return of_ones_own(_made("stores"), tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def departments_shop(tmp_path_factory) -> World:
    """Two departments of three stores, one of which began lately and one sold nothing yet."""
    return of_ones_own(_made("departments"), tmp_path_factory.mktemp("departments"))


@pytest.fixture(scope="session")
def days_shop(tmp_path_factory) -> World:
    """Four stores by day, whose promotions and open days are planned."""
    return of_ones_own(_made("days", origins=0), tmp_path_factory.mktemp("days"))


@pytest.fixture(scope="session")
def odd_shop(tmp_path_factory) -> World:
    """A layout of one's own with odd names, whose prices and promotions are planned."""
    return of_ones_own(_made("odd", origins=0), tmp_path_factory.mktemp("odd"))


def _made(layout: str, **options: int) -> World:
    def make() -> World:
        folder = Path(os.environ[shared.FOLDER]) / f"shop of {layout}"
        folder.mkdir()
        return world(folder, layout, **options)

    return shared.once(f"world of {layout}", make)


@pytest.fixture(scope="session")
def live(shop):
    with shop.live() as live:
        yield live


@pytest.fixture
def app(shop, live):
    """The service of the four stores, which asks for no key."""
    return shop.app(live)
