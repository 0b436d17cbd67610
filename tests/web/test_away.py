"""Pages while the database is away, and before the first forecast: what they can, and no more."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter

from sales_forecast.data.database import Database
from tests.web.world import get, of_ones_own

ASKING = [
    "/ask?Store=2&Date=2012-11-02&Holiday_Flag=0&Temperature=60&Fuel_Price=3.4&CPI=200&Unemployment=8",
    "/order?store_id=2&cost_of_one_too_many=1&cost_of_one_too_few=4",
    "/what-if",
    "/series?q=store",
    "/sheets",
]
NOW = "Shown is what the model says now."


@pytest.fixture(scope="module")
def away(shop, tmp_path_factory):
    """A shop whose database is no database any more since the service began."""
    own = of_ones_own(shop, tmp_path_factory.mktemp("away"))
    with own.live() as live:
        app = own.app(live)
        file = Path(own.settings.database_url.removeprefix("sqlite:///"))
        for rest in file.parent.glob(f"{file.name}-*"):
            rest.unlink()
        file.write_bytes(b"no database" * 1000)
        yield app, live


@pytest.fixture(scope="module")
def early(shop, tmp_path_factory):
    """A shop of which nothing was forecast yet."""
    folder = tmp_path_factory.mktemp("early")
    own = of_ones_own(shop, folder)
    empty = f"sqlite:///{folder}/early.db"
    with closing(Database(empty)) as database:
        database.write(own.panel, "made for tests")
    settings = own.settings.model_copy(update={"database_url": empty})
    own = type(own)(settings, own.panel, own.keys)
    with own.live() as live:
        yield own.app(live), live


@pytest.mark.parametrize("path", ASKING[:3])
def test_who_asks_the_model_does_not_wait_for_a_database_that_stands_still(app, path):
    async def step() -> int:
        threads = current_default_thread_limiter()
        for _ in range(int(threads.total_tokens)):
            await threads.acquire_on_behalf_of(object())  # as one who reads and gets no answer
        transport = httpx.ASGITransport(app)
        with anyio.fail_after(30):
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return (await client.get(path)).status_code

    assert 200 == asyncio.run(step())


@pytest.mark.parametrize("when", ["away", "early"])
def test_a_series_has_what_the_model_says_now_and_the_page_says_so(request, when):
    app, live = request.getfixturevalue(when)
    for path in ("/", "/series?store_id=2"):
        page = get(app, path)
        assert 200 == page.status_code
        assert NOW in page.text
    first, *_ = live.predictor.means((2,), 13, "best")
    assert f'<td class="n">{first:,.0f}</td>' in get(app, "/series?store_id=2").text


@pytest.mark.parametrize("when", ["away", "early"])
@pytest.mark.parametrize("path", ASKING)
def test_what_needs_sales_and_model_alone_is_answered(request, when, path):
    app, _ = request.getfixturevalue(when)
    assert 200 == get(app, path).status_code


@pytest.mark.parametrize(
    ("when", "path", "status", "said"),
    [
        ("away", "/plan", 503, "The database does not answer as it should"),
        ("early", "/plan", 404, "Nothing was forecast yet. Run `python train.py forecast`."),
        ("away", "/change?store_id=2", 503, "The database does not answer as it should"),
        ("away", "/sheets/plan.csv", 503, "The database does not answer as it should"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_to_do(request, when, path, status, said):
    app, _ = request.getfixturevalue(when)
    page = get(app, path, headers={"X-Forwarded-For": "192.0.2.7"})
    assert (status, True) == (page.status_code, said in page.text), page.text[-600:]
