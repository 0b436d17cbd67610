"""How long the server takes for the first page and for a search, by number of series.

    python -m benchmarks.pages
    python -m benchmarks.pages --series 3331 100000 --weeks 60

Stores generated series, departments of stores, with forecasts of the growth baseline, once for each
number of series, in `var/benchmark`; then runs the service as one process and asks it for one thing
after the other, each beside an endpoint that only echoes: `x echo` is how many times as long ours
takes, by the medians. The first page is told with all its files, as a browser that keeps nothing
fetches them, and with how long Chromium, its processor slowed four times and nothing cached, takes
until the largest thing is painted: beside it, how long for two words of text of another server,
which no page can undercut. For local use: it needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.scale import generated
from benchmarks.serving import ECHO, HOST, ROOT, Workspace, resident_megabytes
from sales_forecast.bundles.bundle import CHAMPION
from sales_forecast.bundles.writing import set_alias, write_bundle
from sales_forecast.data.database import Database
from sales_forecast.data.panel import Panel
from sales_forecast.data.spec import Key, PanelSpec
from sales_forecast.operations.batch import write_forecasts
from sales_forecast.operations.judging import judge
from sales_forecast.settings import Settings
from sales_forecast.training.challenger import baseline_challenger
from tests.web.browser import CHROMIUM, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SERIES = (3_331, 100_000)
WEEKS_AHEAD = 13
DEPARTMENTS = 74
SLOWED, PAINTS = 4, 20
LARGEST_PAINT = """() => new Promise(done => new PerformanceObserver(found =>
  done(found.getEntries().at(-1).startTime)
).observe({type: "largest-contentful-paint", buffered: true}))"""
SPEC = PanelSpec(
    layout="generated",
    keys=(
        Key(column="Store", kind="number", field="store_id"),
        Key(column="Dept", kind="number", field="dept_id"),
    ),
    date="Date",
    target="Sales",
)
ASKED = {"store_id": 1, "dept_id": 1, "steps": 5}


def departments(n_series: int, weeks: int) -> Panel:
    """Return so many departments of stores, and the last weeks of their sales."""
    panel = generated(n_series)
    stores, numbers = np.divmod(np.arange(n_series), DEPARTMENTS)
    return replace(
        panel,
        y=panel.y[:, -weeks:],
        periods=panel.periods[-weeks:],
        series=tuple(f"{s}-{d}" for s, d in zip(stores + 1, numbers + 1, strict=True)),
        keys={"Store": stores + 1, "Dept": numbers + 1},
        conditions={},
        traits={},
        pooled_by=None,
        spec=SPEC,
    )


def prepare(workspace: Workspace, n_series: int, weeks: int, mondays: int) -> None:
    """Store, train, and forecast and judge week by week, unless that was done."""
    folder = workspace.folder
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    panel = departments(n_series, weeks)
    settings = Settings(
        database_url=workspace.database_url,
        model_uri=str(folder / CHAMPION),
        var_dir=folder,
        forecast_horizon=WEEKS_AHEAD,
    )
    tell = partial(print, file=sys.stderr)
    for left in range(mondays - 1, -1, -1):
        known = panel.until(panel.periods[-1 - left])
        with closing(Database(workspace.database_url)) as database:
            tell(f"storing {known.y.size:,} sales")
            database.write(known, "generated")
            stored = database.read_panel()
        if not (folder / CHAMPION).exists():
            sealed = baseline_challenger(stored, "generated", {}, "").sealed
            set_alias(folder / CHAMPION, write_bundle(folder, sealed))
        write_forecasts(settings, stored, tell)
        judge(workspace.database_url, stored, tell)
    (folder / "done").touch()


class Asking:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)

    def get(self, path: str, body: str | None = None) -> tuple[float, bytes]:
        """Return milliseconds and the answer as it came, packed."""
        headers = {"Accept-Encoding": "gzip", "Content-Type": "application/json"}
        start = time.perf_counter()
        self._connection.request("POST" if body else "GET", path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        took = (time.perf_counter() - start) * 1000
        if response.status != http.HTTPStatus.OK:
            raise SystemExit(f"{path} was answered {response.status}")
        return took, content


def whole_page(asking: Asking) -> tuple[int, int]:
    """Return the bytes of the first page with all its files, and how many those are."""
    address = re.compile(rb'(?:href|src)="(/static/[^"]+)"')
    connection = http.client.HTTPConnection(HOST, asking.port, timeout=120)
    connection.request("GET", "/")  # not packed, to be read
    files = {found.decode() for found in address.findall(connection.getresponse().read())}
    connection.close()
    return sum(len(asking.get(path)[1]) for path in ("/", *files)), len(files)


def paint(browser: Browser, port: int) -> tuple[float, int]:
    """Return milliseconds until the largest thing of the first page is painted, and its bytes.

    Bytes are those of the page and all that it fetches, as they are sent, heads included.
    """
    sizes = list[float]()
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda of: sizes.append(of["encodedDataLength"]))
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    page.goto(f"http://{HOST}:{port}/", wait_until="load")
    took = page.evaluate(LARGEST_PAINT)
    context.close()
    return took, round(sum(sizes))


def measure(n_series: int, weeks: int, mondays: int, times: int) -> None:
    """Print what is measured of so many series."""
    folder = ROOT / "var" / "benchmark" / f"pages-{n_series}-{mondays}"
    workspace = Workspace(folder, f"sqlite:///{folder}/sales.db")
    prepare(workspace, n_series, weeks, mondays)
    rng = np.random.default_rng(0)
    stores = -(-n_series // DEPARTMENTS)
    words: dict[str, Callable[[], str]] = {
        "the first page": lambda: "/",
        "search for a store": lambda: f"/search?q=store+{rng.integers(1, stores + 1)}",
        "search for one series": lambda: (
            f"/search?q={rng.integers(1, stores)}+{rng.integers(1, DEPARTMENTS + 1)}"
        ),
        "search in vain": lambda: f"/search?q=nothing+{rng.integers(1_000_000)}",
        "page of one series": lambda: (
            f"/series?store_id={rng.integers(1, stores)}&dept_id={rng.integers(1, DEPARTMENTS + 1)}"
        ),
    }
    print(f"\n{n_series:,} series {'p50 ms':>26}{'p95 ms':>10}{'x echo':>10}{'bytes':>10}")
    with workspace.serve(ECHO, "/docs") as echo, workspace.serve(["main.py"], "/ready") as ours:
        echoing, asking = Asking(echo.port), Asking(ours.port)
        body = json.dumps(ASKED)
        for name, path in words.items():
            echoed, took, size = [], [], 0
            first, _ = asking.get(path())
            for _ in range(times):
                echoed.append(echoing.get("/forecast_sales", body)[0])
                one, content = asking.get(path())
                took.append(one)
                size = max(size, len(content))
            p95 = quantiles(took, n=20)[-1]
            ratio = median(took) / median(echoed)
            print(f"{name:<26}{median(took):>14.1f}{p95:>10.1f}{ratio:>10.1f}{size:>10,}"
                  f"   the first time {first:,.0f} ms")  # fmt: skip
        whole, files = whole_page(asking)
        print(f"the first page and its {files} files: {whole:,} bytes, packed; the process holds "
              f"{resident_megabytes(ours.process.pid):.0f} MB")  # fmt: skip
        if CHROMIUM:
            with chromium() as browser:
                both = [
                    (paint(browser, echo.port)[0], *paint(browser, ours.port))
                    for _ in range(PAINTS)
                ]
            words_alone, painted, fetched = zip(*both, strict=True)
            print(f"largest paint, processor slowed {SLOWED} times: median {median(painted):,.0f} "
                  f"ms, at worst {max(painted):,.0f} of {PAINTS}; {max(fetched):,} bytes fetched; "
                  f"two words of text take {median(words_alone):,.0f}, at worst "
                  f"{max(words_alone):,.0f}")  # fmt: skip


def main() -> None:
    """Measure each number of series."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, nargs="+", default=SERIES)
    parser.add_argument("--weeks", type=int, default=143, help="of sales that are stored")
    parser.add_argument("--mondays", type=int, default=1, help="on which it was forecast")
    parser.add_argument("--times", type=int, default=100, help="that each is asked for")
    chosen = parser.parse_args()
    for n_series in chosen.series:
        measure(n_series, chosen.weeks, chosen.mondays, chosen.times)


if __name__ == "__main__":
    main()
