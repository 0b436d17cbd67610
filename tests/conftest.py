"""What many tests need: a panel, and real data where a folder of it is named."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from httpx._transports import default as transports
from hypothesis import settings
from pymysql.connections import Connection

from sales_forecast.settings import Settings
from tests import shared

if TYPE_CHECKING:
    from sales_forecast.data.panel import Panel
    from tests.aws.account import Account

DATA_DIR_VARIABLE = "SALES_DATA_DIR"
SERVERS = {"mysql": "TEST_MYSQL_URL", "postgresql": "TEST_POSTGRES_URL"}

REAL = {"stores": "Walmart_Sales.csv", "departments": "walmart_departments", "daily": "rossmann"}
"""What holds the real sales of a layout."""
LONG_AND_LATE = "test_train.py"

# How long an example takes says as much of the machine.
settings.register_profile("unhurried", parent=settings.default, deadline=None)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the settings of whoever runs the tests: they are not to touch what these name.

    And make the folder that all processes of this run share; those of pytest-xdist inherit it.
    """
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    if not hasattr(config, "workerinput"):
        os.environ[shared.FOLDER] = tempfile.mkdtemp(prefix="shared-by-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(shared.FOLDER))


@pytest.fixture(scope="session", autouse=True)
def _one_tls_context() -> None:
    """Say once what TLS is to a database or an HTTP client, which each reads all authorities for.

    That takes 50 ms of each connection to MySQL, and 30 of each `httpx.get`.
    """
    make = Connection._create_ssl_ctx
    usual = cache(lambda: make(None, {}))
    Connection._create_ssl_ctx = lambda self, given: make(self, given) if given else usual()

    make_of_httpx = transports.create_ssl_context
    usual_of_httpx = cache(make_of_httpx)

    def of_httpx(verify: object, cert: object, **named: bool) -> ssl.SSLContext:
        told = cert or {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys()
        plain = verify is True and not told
        return usual_of_httpx() if plain else make_of_httpx(verify, cert, **named)

    transports.create_ssl_context = of_httpx


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long file that would come last, while another process has nothing to do."""
    items.sort(key=lambda item: item.path.name != LONG_AND_LATE)


@pytest.fixture(scope="session")
def server() -> Iterator[Account]:
    """An emulated AWS account, one for all tests of a process: whoever uses it empties it first."""
    from tests.aws.emulator import emulator  # noqa: PLC0415 - brings boto3 along

    with emulator() as account:
        yield account


@pytest.fixture
def empty_account(server: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """That account, empty, as any process talks to it: in one region, by the environment."""
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return server


@pytest.fixture
def on_one_thread() -> Iterator[None]:
    """See `builders.one_thread`."""
    from tests.builders import one_thread  # noqa: PLC0415 - takes seconds, which few tests need

    with one_thread():
        yield


@pytest.fixture(scope="session")
def walmart_csv() -> Path:
    """The real store file."""
    return _real("Walmart_Sales.csv")


@pytest.fixture(scope="session")
def walmart_departments() -> Path:
    """The folder of real departments."""
    return _real("walmart_departments")


@pytest.fixture(scope="session")
def real() -> Callable[[str], Path]:
    """Any real file or folder, by its name."""
    return _real


@pytest.fixture(scope="session")
def real_panel() -> Callable[[str], Panel]:
    """The panel of the real files of a layout, read once a run: that takes up to ten seconds."""
    from sales_forecast.data.files.layouts import read_panel  # noqa: PLC0415 - unless it is asked for

    def read(layout: str) -> Panel:
        place = _real(REAL[layout])
        return shared.once(f"real {layout}", lambda: read_panel(place, layout))

    return read


def _real(name: str) -> Path:
    """Return a file or folder of real data. Skips only where no data folder is named at all."""
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if not folder:
        pytest.skip(f"real data: set {DATA_DIR_VARIABLE} to a folder with {name}")
    path = Path(folder) / name
    assert path.exists(), f"{DATA_DIR_VARIABLE} names {folder}, which has no {name}"
    return path


@pytest.fixture(params=["sqlite", "mysql", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of its own for one test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new folder/sales.db"
        return
    variable = SERVERS[request.param]
    server = os.environ.get(variable)
    if not server:
        pytest.skip(f"set {variable} to a database in which databases may be created")
    name = f"sales_test_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield engine.url.set(database=name).render_as_string(hide_password=False)
        connection.execute(sa.text(f"DROP DATABASE {name}"))
