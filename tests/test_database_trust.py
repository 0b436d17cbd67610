"""A database that must prove itself: what drivers are told, and a real server that cannot."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import certifi
import pytest

from sales_forecast.data.database import Database
from sales_forecast.database_trust import verified
from sales_forecast.errors import DatabaseError, SettingsError
from sales_forecast.settings import load_settings
from tests.conftest import SERVERS

PEM = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n"
MYSQL = "mysql+pymysql://sales:a%40b@db.example.com:3306/sales"


def test_the_drivers_are_told_whom_to_trust_and_to_look_at_the_name(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_text(f"a line before it\n{PEM}")
    assert verified(f"{MYSQL}?ssl_check_hostname=false", str(file), tmp_path) == (
        f"{MYSQL}?ssl_check_hostname=true&ssl_ca={str(file).replace('/', '%2F')}"
    )
    assert verified("postgresql+psycopg://me@db/sales", str(file), tmp_path) == (
        "postgresql+psycopg://me@db/sales"
        f"?sslrootcert={str(file).replace('/', '%2F')}&sslmode=verify-full"
    )


@pytest.mark.parametrize(("url", "authority"), [("sqlite:///var/sales.db", PEM), (MYSQL, "-")])
def test_what_proves_nothing_stays_as_it_is(tmp_path: Path, url: str, authority: str) -> None:
    assert url == verified(url, authority, tmp_path)
    assert [] == [*tmp_path.iterdir()]


def test_a_text_becomes_the_file_that_drivers_want(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", MYSQL)
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("DATABASE_CA", PEM)
    for _ in range(2):
        assert "database-ca.pem" in load_settings().database_url
    assert PEM == (tmp_path / "var" / "database-ca.pem").read_text()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere.pem", "cannot be read: No such file or directory."),
        (".", "cannot be read: Is a directory."),
        ("binary.der", "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)."),
    ],
)
def test_a_file_that_signs_nothing_is_refused_by_the_name_of_its_setting(
    name: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "binary.der").write_bytes(b"\x30\x82\xff\x00")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", MYSQL)
    monkeypatch.setenv("DATABASE_CA", name)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"DATABASE_CA: the file {name} {problem}" == refused.value.message


@pytest.mark.parametrize("variable", SERVERS.values(), ids=SERVERS)
def test_a_server_that_cannot_prove_itself_is_not_talked_to(tmp_path: Path, variable: str) -> None:
    """The servers of the tests speak no TLS, or with a certificate that this file did not sign."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"set {variable} to a database")
    with (
        closing(Database(verified(url, certifi.where(), tmp_path))) as database,
        pytest.raises(DatabaseError) as refused,
    ):
        database.version()
    assert any(word in refused.value.message for word in ("SSL", "certificate"))
