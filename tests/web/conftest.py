"""The two shops of these tests, made once."""

from __future__ import annotations

import pytest

from tests.web.world import World, world


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> World:
    """Four stores."""
    return world(tmp_path_factory.mktemp("stores"), "stores")


@pytest.fixture(scope="session")
def departments_shop(tmp_path_factory) -> World:
    """Two departments of three stores, one of which began lately and one sold nothing yet."""
    return world(tmp_path_factory.mktemp("departments"), "departments")


@pytest.fixture(scope="session")
def live(shop):
    with shop.live() as live:
        yield live


@pytest.fixture
def app(shop, live):
    """The service of the four stores, which asks for no key."""
    return shop.app(live)
