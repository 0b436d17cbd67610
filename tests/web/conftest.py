"""The two shops of these tests, made once a run; each process changes a copy of its own."""

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


def _made(layout: str) -> World:
    def make() -> World:
        folder = Path(os.environ[shared.FOLDER]) / f"shop of {layout}"
        folder.mkdir()
        return world(folder, layout)

    return shared.once(f"world of {layout}", make)


@pytest.fixture(scope="session")
def live(shop):
    with shop.live() as live:
        yield live


@pytest.fixture
def app(shop, live):
    """The service of the four stores, which asks for no key."""
    return shop.app(live)
