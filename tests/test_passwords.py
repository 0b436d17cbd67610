"""No message shows any part of a password in an address, however it is written there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client import ClientError, SalesForecastClient
from sales_forecast.bundles.location import locate
from sales_forecast.data.database import Database
from sales_forecast.errors import DatabaseError, SalesForecastError, SettingsError, shown
from sales_forecast.settings import Settings

PIECES = "Qx1", "Qy2", "4730", "Qü"
"""Whatever an address is split at, what is left of its password is one of these."""
PASSWORDS = st.lists(
    st.sampled_from(PIECES) | st.text("@/#?:[]%&=+;,. \\", min_size=1, max_size=3),
    min_size=1,
    max_size=7,
).map("".join)
PLACES = st.sampled_from(
    ["@127.0.0.1:1/sales", "@127.0.0.1:1", "@host.invalid/sales", "/sales", ""]
)
DATABASES = st.sampled_from(["mysql+pymysql", "postgresql+psycopg", "mysql", "sqlite", "a+b"])


def keeps(message: str) -> bool:
    return not any(piece in message for piece in PIECES)


@given(DATABASES, st.sampled_from(["anna", ""]), PASSWORDS, PLACES)
@example("mysql+pymysql", "anna", "Qx1@Qy2", "@127.0.0.1:1/sales")
@example("mysql+pymysql", "anna", "Qx1@Qy2/4730", "@127.0.0.1:1/sales")
@example("postgresql+psycopg", "anna", "Qx1@127.0.0.1:1/Qy2", "@host.invalid/sales")
@example("postgresql+psycopg", "anna", "Qx1#Qy2/4730", "@127.0.0.1:1/sales")
@example("postgresql+psycopg", "anna", "Qx1@Qy2", "/sales")
@example("mysql+pymysql", "anna", "4730", "/sales")
@example("mysql+pymysql", "", "4730", "/sales")
@example("mysql+pymysql", "anna", "Qx1@4730", "/sales")
def test_a_database_is_named_without_its_password(scheme, user, password, place):
    with (
        pytest.raises(SalesForecastError) as refused,
        closing(Database(f"{scheme}://{user}:{password}{place}")) as database,
    ):
        database.version()
    assert keeps(f"{refused.value.message} {refused.value.fields}")
    assert f"{scheme}://" in refused.value.message
    assert "\n" not in refused.value.message


def test_where_nothing_is_in_doubt_the_database_is_named():
    with (
        closing(Database("mysql+pymysql://anna:Qx1%40Qy2@127.0.0.1:1/sales")) as database,
        pytest.raises(DatabaseError, match=r"anna:\*\*\*@127\.0\.0\.1:1/sales"),
    ):
        database.version()


@pytest.mark.parametrize("option", ["connect_timeout=Qx1", "Qx1=1", "charset=Qx1"])
@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg"])
def test_an_option_that_a_driver_does_not_take_is_no_trace(scheme, option):
    with (
        pytest.raises(DatabaseError, match="does not answer as it should"),
        closing(Database(f"{scheme}://anna@127.0.0.1:1/sales?{option}")) as database,
    ):
        database.version()


@given(st.sampled_from(["http", "s3", "models", "mysql"]), PASSWORDS)
def test_a_bundle_at_an_address_is_refused_without_its_password(scheme, password):
    with pytest.raises(SettingsError, match=f"MODEL_URI: {scheme}://") as refused:
        locate(Settings(model_uri=f"{scheme}://anna:{password}@host/bundle"))
    assert keeps(refused.value.message)


@given(PASSWORDS, st.sampled_from(["@127.0.0.1:1", ""]))
def test_a_tracking_server_is_asked_without_a_word_of_its_password(password, place):
    settings = Settings(
        model_uri="models:/Sales-Forecasting@champion",
        mlflow_tracking_uri=f"http://anna:{password}{place}",
        var_dir=Path("nowhere"),
    )
    with pytest.raises(SalesForecastError) as refused:
        locate(settings).find(Event())
    assert keeps(refused.value.message)


@given(PASSWORDS, st.sampled_from(["@127.0.0.1:1", "@127.0.0.1:1/x"]))
@example("Qx1", "")
@example("99999@Qx1", "@host")
def test_the_client_asks_without_a_word_of_the_password(password, place):
    with pytest.raises(ClientError) as refused:
        SalesForecastClient(f"http://anna:{password}{place}", attempts=1).health()
    assert keeps(refused.value.message)


@given(PASSWORDS, st.sampled_from(["http", "socks5", "gopher"]))
def test_a_proxy_is_named_without_its_password(password, scheme):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", f"{scheme}://anna:{password}@127.0.0.1:1")
        with pytest.raises(ClientError) as refused:
            SalesForecastClient("http://service.invalid", attempts=1).health()
    assert keeps(refused.value.message)
    assert f"the proxy {scheme}://... of HTTP_PROXY" in refused.value.message


@given(PASSWORDS)
def test_of_an_address_with_a_password_the_scheme_is_shown(password):
    assert shown(f"socks5://anna:{password}@host:1080") == "socks5://..."
    assert shown(f"anna:{password}@host") in {"...", "anna://..."}


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000", "localhost:8001", "http://[::1]:80/x", "sqlite:////home/a@b/c.db"],
)
def test_an_address_without_a_password_is_shown(address):
    assert shown(address) == address
