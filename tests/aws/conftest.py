"""One emulator for all tests of a process, empty at the start of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.aws.lifecycle")

from tests.aws.account import Account, emulator  # noqa: E402 - after what must come before


@pytest.fixture(scope="session")
def server() -> Iterator[Account]:
    with emulator() as account:
        yield account


@pytest.fixture
def account(server: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    server.reset()
    return server
