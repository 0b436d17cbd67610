"""The pictures of docs/planner.md: `python -m tests.web.screenshots` paints them anew.

Eight stores of the sample are forecast week by week; somebody changes a plan; Chromium looks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.web.pages import Pages
from tests.web import world as worlds
from tests.web.browser import chromium, served

DOCS = Path(__file__).parents[2] / "docs"
_WEEKS = 13


def main() -> int:
    """Paint them."""
    with TemporaryDirectory() as folder:
        made = worlds.world(Path(folder), "sample", origins=_WEEKS)
        live = Live.from_settings(made.settings)
        live.refresh()
        app = create_app(live, pages=Pages(live, made.settings))
        with served(app) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1100, "height": 760})
            page.goto(f"{address}/sign-in")
            page.fill("#key", made.keys["planner"])
            page.keyboard.press("Enter")
            page.wait_for_url(f"{address}/")
            page.screenshot(path=DOCS / "planner-overview.png")
            page.goto(f"{address}/series?store_id=2#plan")
            page.fill("#o-last", "2012-11-16")
            page.fill("#o-number", "4")
            page.fill("#o-note", "Leaflet in all houses")
            page.click("text=Look at it first")
            page.wait_for_selector("text=Planned then")
            page.screenshot(path=DOCS / "planner-change.png")
            page.click("main button >> nth=0")
            page.wait_for_url("**done=1*")
            page.emulate_media(color_scheme="dark")
            page.goto(f"{address}/series?store_id=2")
            page.screenshot(path=DOCS / "planner-series.png")
    print("Painted docs/planner-*.png.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
