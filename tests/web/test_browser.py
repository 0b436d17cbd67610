"""What a planner does, in a real browser: by mouse, by keyboard alone, on a phone, in the dark."""

from __future__ import annotations

from importlib.resources import files
from types import SimpleNamespace
from urllib.parse import quote_plus, urlencode

import pytest
from playwright.sync_api import expect

from sales_forecast.reports.page import table, whole_page
from sales_forecast.service.app import create_app
from sales_forecast.service.live import Live
from sales_forecast.web.pages import Pages
from tests.web.browser import CHROMIUM, chromium, served
from tests.web.odd import ARTICLE, LONG, PRICE, SHOP

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="chromium is not installed: apt-get install chromium fonts-dejavu-core",
)
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RIGHT_END_OF_CAPTIONS = """Math.max(0, ...[...document.querySelectorAll("caption")]
    .map(of => of.getBoundingClientRect().right))"""
ONE_ROW_OF_EACH_KIND = """() => {  // axe takes seconds for the colours of a thousand equal cells
  for (const table of document.querySelectorAll("tbody")) {
    const kinds = new Set();
    for (const row of [...table.rows]) {
      const copy = row.cloneNode(true);
      copy.querySelectorAll("[href], [value]").forEach(of => {
        of.removeAttribute("href"); of.removeAttribute("value"); });
      const kind = copy.outerHTML.replace(/>[^<]+/g, ">text");
      if (kinds.has(kind)) row.remove();
      kinds.add(kind);
    }
  }
}"""
QUESTION = "Store=2&Date=2012-11-02&Holiday_Flag=0&Temperature=60&Fuel_Price=3.4&CPI=200"
ODD = urlencode({SHOP: "<script>1</script>", ARTICLE: "a&b=c"})
PAGES = [
    ("shop", "/"),
    ("shop", "/series?store_id=2"),
    ("shop", "/series?q=sto"),
    ("shop", "/ask"),
    ("shop", f"/ask?{QUESTION}&Unemployment=8"),
    ("shop", f"/ask?{QUESTION}&Unemployment=x"),
    ("shop", "/history"),
    ("shop", "/series?store_id=99"),
    ("departments", "/"),
    ("departments", "/series"),
    ("departments", "/series?store_id=2&dept_id=3"),
    ("departments", "/ask?Store=2&Dept=3&Date=2012-11-02"),
    ("departments", "/order?store_id=2&dept_id=3&cost_of_one_too_many=1&cost_of_one_too_few=4"),
    ("departments", "/sheets"),
    ("shop", "/plan"),
    ("shop", "/change?store_id=2"),
    ("shop", "/what-if"),
    ("days", "/"),
    ("days", "/series?store_id=2"),
    ("days", "/ask?Store=2&Date=2014-04-07"),
    ("days", "/what-if?store_id=2&Promo+2014-04-07=1"),
    ("odd", "/"),
    ("odd", "/series"),
    ("odd", f"/series?{ODD}"),
    ("odd", f"/series?{urlencode({SHOP: 'Öst', ARTICLE: LONG})}"),
    ("odd", "/sheets"),
    ("odd", f"/ask?{ODD}&date=2022-07-03"),
    ("odd", f"/order?{ODD}&cost_of_one_too_many=1&cost_of_one_too_few=x"),
    ("odd", f"/what-if?{ODD}&{quote_plus(PRICE)}+2022-07-03=9"),
    ("guarded", "/sign-in"),
]


def of(world, *, keys=False):
    settings = world.settings if keys else world.open
    live = Live.from_settings(settings)
    live.refresh()  # so that nobody is told to wait
    return create_app(live, pages=Pages(live, settings))


@pytest.fixture(scope="module")
def at(shop, departments_shop, days_shop, odd_shop):
    """The addresses of the services."""
    with (
        served(of(shop)) as plain,
        served(of(departments_shop)) as departments,
        served(of(days_shop)) as days,
        served(of(odd_shop, keys=True)) as odd,
        served(of(shop, keys=True)) as guarded,
    ):
        yield SimpleNamespace(
            shop=plain, departments=departments, days=days, odd=odd, guarded=guarded
        )


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser):
    """One for all pages, which costs less than one for each."""
    return browser.new_context()


@pytest.fixture
def page(context, at):
    """A page that complains of every error in the console and every request elsewhere."""
    context.clear_cookies()
    page = context.new_page()
    page.told, page.elsewhere = [], []
    page.on("console", lambda of: page.told.append(of.text) if of.type == "error" else None)
    page.on("pageerror", lambda of: page.told.append(str(of)))
    page.on("request", lambda of: None if "//127.0.0.1:" in of.url else page.elsewhere.append(of))
    yield page
    page.close()
    assert [] == [of for of in page.told if "status of 4" not in of]  # refusals are shown as such
    assert [] == page.elsewhere


def test_tables_of_long_names_are_no_wider_than_their_page(page):
    page.set_viewport_size({"width": 800, "height": 600})
    names = ["x" * 500, "ein langer Name " * 20]
    page.set_content(whole_page("x", [table([("name", "sold"), *((of, "12") for of in names)])]))
    assert 800 >= page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize(("whose", "path"), PAGES)
def test_no_page_shuts_anybody_out_or_scrolls_a_phone_sideways(page, at, odd_shop, whose, path):
    if whose == "odd":  # by whoever sees the forms, too, that change plans
        page.request.post(f"{at.odd}/sign-in", form={"key": odd_shop.keys["planner"]})
    page.goto(getattr(at, whose) + path)
    check(page)


def check(page):
    """Look at a page by phone, then let axe look at it; at its colours in light and in dark."""
    page.set_viewport_size({"width": 320, "height": 844})
    assert 320 >= page.evaluate("document.documentElement.scrollWidth")
    assert 320 >= page.evaluate(RIGHT_END_OF_CAPTIONS)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.evaluate(AXE)
    assert [] == found_by_axe(
        page, {"runOnly": RULES, "rules": {"color-contrast": {"enabled": False}}}
    )
    page.evaluate(ONE_ROW_OF_EACH_KIND)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert [] == found_by_axe(page, {"runOnly": ["color-contrast"]}), scheme


def found_by_axe(page, options):
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [(of["id"], [node["html"][:150] for node in of["nodes"][:3]]) for of in found]


def test_a_planner_asks_and_the_answer_comes_without_a_reload(page, at):
    page.goto(f"{at.shop}/ask")
    page.evaluate("window.same = true")
    page.select_option("#f-Store", "2")
    page.fill("#f-Temperature", "60")
    page.click("text=Ask >> nth=-1")
    page.wait_for_selector("#answer")
    assert page.evaluate("window.same")
    assert page.inner_text("#answer").startswith("Store 2, week ending")
    assert "Store=2" in page.url
    assert "growth baseline" in page.inner_text(".answer")
    api = page.request.post(
        f"{at.shop}/predict_sales",
        data={
            name: float(value) if name not in {"Date", "Store", "Holiday_Flag"} else value
            for name, value in dict(
                pair.split("=") for pair in page.url.partition("?")[2].split("&")
            ).items()
        }
        | {"Store": 2, "Holiday_Flag": 0},
    ).json()
    assert f"{api['prediction']:,.2f}" in page.inner_text(".answer")


def test_a_condition_that_training_never_saw_is_said_to_be_one(page, at):
    page.goto(f"{at.shop}/ask?{QUESTION}&Unemployment=99")
    assert "outside what the models were trained on" in page.inner_text(".answer")


@pytest.mark.parametrize("wrong", ["", "abc", "1e", "--3"])
def test_browser_and_server_say_the_same_of_what_is_wrong(page, at, wrong):
    page.goto(f"{at.shop}/ask?{QUESTION}&Unemployment={wrong}")
    server = page.inner_text("#h-Unemployment .wrong")
    page.goto(f"{at.shop}/ask?{QUESTION}&Unemployment=8")
    page.fill("#f-Unemployment", wrong)
    page.keyboard.press("Enter")
    assert server
    expect(page.locator("#h-Unemployment .wrong")).to_have_text(server)
    assert "f-Unemployment" == page.evaluate("document.activeElement.id")


def test_how_much_to_order_is_asked_from_a_series_and_wrong_costs_are_said_at_once(page, at):
    page.goto(f"{at.departments}/series?store_id=2&dept_id=3")
    page.click("text=How much to order?")
    page.fill("[name=cost_of_one_too_many]", "x")
    page.fill("[name=cost_of_one_too_few]", "4")
    page.keyboard.press("Enter")
    said = page.locator("#h-cost_of_one_too_many .wrong")
    expect(said).to_contain_text('must be a valid number, not "x".')
    page.fill("[name=cost_of_one_too_many]", "1")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("Store 2, Dept 3, week ending")


def test_a_promotion_is_switched_on_by_keyboard_alone_and_the_answer_changes(page, at):
    page.goto(f"{at.days}/series?store_id=2")
    page.click("text=What if it were planned otherwise?")
    type_into(page, "Promo 2014-04-07", "yes")
    page.keyboard.press("Enter")
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_have_text("Store 2, the next 14 days")
    assert "answer" == page.evaluate("document.activeElement.id")
    changed = page.locator(".answer tr:has-text('Promo yes')")
    assert "Mon 7 Apr" in changed.inner_text()
    planned, wished = (
        float(text.replace(",", "")) for text in changed.locator("td").all_inner_texts()[1:3]
    )
    assert wished > planned * 1.2
    assert page.locator("path.planned").first.is_visible()
    page.select_option("[name='Promo 2014-04-07']", "")
    page.click("main button")
    expect(page.locator(".answer .tiles")).to_contain_text("+0.0%")


def test_a_planted_colour_that_nobody_can_read_is_found(page, at):
    page.goto(f"{at.shop}/what-if")
    page.evaluate(AXE)
    page.evaluate("document.querySelector('main p').style.color = '#ddd'")
    assert ["color-contrast"] == [
        of for of, _ in found_by_axe(page, {"runOnly": ["color-contrast"]})
    ]


def test_the_form_is_filled_and_sent_by_keyboard_alone(page, at):
    page.goto(f"{at.shop}/ask")
    page.keyboard.press("Tab")
    assert "skip" == page.evaluate("document.activeElement.className")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert "f-Store" == page.evaluate("document.activeElement.id")
    page.keyboard.press("ArrowDown")
    while page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer")
    assert "answer" == page.evaluate("document.activeElement.id")
    assert page.inner_text("#answer").startswith("Store 2,")


def test_the_longest_name_hides_no_column(page, at, odd_shop):
    page.request.post(f"{at.odd}/sign-in", form={"key": odd_shop.keys["viewer"]})
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(at.odd)
    table = page.locator(".attention", has_text="x" * 180)
    expect(table).to_have_count(1)
    assert table.evaluate("of => of.scrollWidth <= of.parentElement.clientWidth")


def test_the_forms_of_sheets_and_what_if_begin_at_the_left_and_are_seen_whole(page, at, odd_shop):
    page.request.post(f"{at.odd}/sign-in", form={"key": odd_shop.keys["planner"]})
    page.set_viewport_size({"width": 1100, "height": 900})
    page.goto(f"{at.odd}/sheets")
    lefts = {page.locator(of).bounding_box()["x"] for of in ("h1", "form[action='/sheets/check']")}
    assert 1 == len(lefts)
    page.goto(f"{at.odd}/what-if")
    table = page.locator("form .scroll")
    assert table.locator("select").count()
    assert table.locator("input").count()
    assert table.evaluate("of => of.scrollWidth <= of.clientWidth")


def test_a_series_is_found_while_its_name_is_typed(page, at):
    page.goto(f"{at.departments}/")
    page.type("[data-search]", "2 3")
    page.wait_for_selector(".found a")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/series?store_id=2&dept_id=3")
    expect(page.locator("h1")).to_have_text("Store 2, Dept 3")


def test_one_goes_from_the_whole_to_a_department_and_back(page, at):
    page.goto(f"{at.departments}/series")
    page.click(".below >> text=Store 2")
    page.click(".below >> text=Dept 3")
    expect(page.locator("h1")).to_have_text("Store 2, Dept 3")
    page.click(".crumbs >> text=Store 2")
    expect(page.locator("h1")).to_have_text("Store 2")


def test_everything_works_without_script(browser, at):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{at.shop}/ask")
    page.select_option("#f-Store", "3")
    page.click("main button")
    expect(page.locator("#answer")).to_contain_text("Store 3,")
    page.fill("[name=q]", "store 4")
    page.press("[name=q]", "Enter")
    expect(page.locator("h1")).to_have_text("Store 4")
    page.goto(f"{at.days}/what-if?store_id=3")
    page.select_option("[name='Promo 2014-04-07']", "1")
    page.click("main form button")
    expect(page.locator(".answer tr:has-text('Promo yes')")).to_contain_text("Mon 7 Apr")
    context.close()


def test_one_signs_in_and_out(page, at, shop):
    page.goto(f"{at.guarded}/series?store_id=2")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("[role=alert]")).to_contain_text("That is no key")
    page.fill("#key", shop.keys["planner"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Store 2")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in*")
    page.goto(f"{at.guarded}/")
    assert "/sign-in" in page.url


def test_whoever_is_signed_out_while_they_type_is_asked_to_sign_in(planner, at):
    planner.goto(f"{at.guarded}/plan")
    planner.context.clear_cookies()
    planner.fill("input[type=search]", "store 3")
    planner.wait_for_url("**/sign-in?next=%2Fseries%3Fq%3Dstore%2B3")


def test_who_asks_too_often_is_told_so_on_a_page_and_not_within_another(page, shop):
    settings = shop.open.model_copy(update={"rate_limit": 2})
    live = Live.from_settings(settings)
    live.refresh()
    with served(create_app(live, pages=Pages(live, settings))) as address:
        page.goto(f"{address}/ask?{QUESTION}&Unemployment=8")
        page.click(".asking button")
        page.wait_for_selector("#answer:focus")
        page.click(".asking button")
        expect(page.locator("h1")).to_have_text("Too Many Requests")
    assert 1 == page.locator("header").count()


@pytest.fixture
def planner(page, at, shop):
    """Somebody who may change plans."""
    page.goto(f"{at.guarded}/sign-in")
    page.fill("#key", shop.keys["planner"])
    page.keyboard.press("Enter")
    page.wait_for_selector("text=a-planner")
    return page


@pytest.mark.parametrize("width", [1024, 1100, 1279, 1280, 1400])
def test_the_head_has_one_line_on_a_desk_whatever_somebody_is_called(planner, width):
    planner.set_viewport_size({"width": width, "height": 720})
    planner.evaluate("document.querySelector('.who span').prepend('w'.repeat(50))")
    middles = planner.evaluate(
        """[...document.querySelectorAll(".top > *")].map(of => {
          const {top, bottom} = of.getBoundingClientRect(); return (top + bottom) / 2; })"""
    )
    assert 4 == len(middles)
    assert max(middles) - min(middles) < 1
    assert width >= planner.evaluate("document.documentElement.scrollWidth")


def type_into(page, name, text):
    """Go to a field by keyboard alone, and fill it."""
    while page.evaluate("document.activeElement.name") != name:
        page.keyboard.press("Tab")
    page.keyboard.type(text)


def test_a_plan_is_changed_and_the_change_undone_by_keyboard_alone(planner, at):
    planner.goto(f"{at.guarded}/series?store_id=2")
    type_into(planner, "last", "11162012")
    type_into(planner, "number", "4")
    type_into(planner, "note", "Leaflet")
    planner.keyboard.press("Enter")
    planner.wait_for_selector("text=Planned then")
    assert "interval of 80%" in planner.inner_text("main")
    check(planner)
    while planner.evaluate("document.activeElement.innerText") != "Change the plan":
        planner.keyboard.press("Tab")
    planner.keyboard.press("Enter")
    planner.wait_for_selector("text=The plan is changed.")
    check(planner)
    planner.click("text=Undo")
    planner.wait_for_url("**/plan?undone=1")
    assert "undone by a-planner" in planner.inner_text("main")


def test_the_documentation_of_the_api_needs_nothing_from_elsewhere(page, at):
    page.goto(f"{at.shop}/docs")
    page.wait_for_selector("text=/predict_sales")
    headers = page.request.get(f"{at.shop}/docs").headers
    assert "unsafe-inline" not in headers["content-security-policy"]


@pytest.mark.parametrize(("wish", "moves"), [("no-preference", "smooth"), ("reduce", "auto")])
def test_whoever_wishes_for_less_motion_has_none(page, at, wish, moves):
    page.goto(f"{at.shop}/")
    page.emulate_media(reduced_motion=wish)
    assert moves == page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    moving = "[...document.querySelectorAll('*')].filter(of => { const {transitionDuration, "
    moving += "animationName} = getComputedStyle(of); return transitionDuration !== '0s' || "
    moving += "animationName !== 'none'; }).length"
    assert 0 == page.evaluate(moving)


def test_paper_shows_no_buttons(page, at):
    page.goto(f"{at.shop}/series?store_id=2")
    page.emulate_media(media="print")
    assert not page.is_visible("[name=q]")
    assert page.is_visible("svg.fan.wide")
