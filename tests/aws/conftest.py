"""The emulator of the process, empty at the start of each test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.aws.lifecycle")

from aws_cloud_infra.account import clients, patience  # noqa: E402
from tests.aws.account import Account  # noqa: E402 - after what must come before


@pytest.fixture
def account(server: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    server.reset()
    return server


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as often as ever for AWS to settle, but for no time."""
    monkeypatch.setattr(patience, "PAUSES", (0,) * len(patience.PAUSES))
    monkeypatch.setattr(clients, "_SECONDS_BETWEEN_TRIES", 0)
