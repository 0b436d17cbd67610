"""Prometheus, Alertmanager, dashboard: their own tools read the files, and the chain runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs import headings
from tests.listening import listening
from tests.mlflow_server import free_port, until
from tests.service.conftest import EXAMPLES
from tests.service.deployment import Deployment

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "pipelines" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
OPERATE = ROOT / "docs" / "operate.md"
WITHIN_SECONDS = 60


def expressions() -> list[str]:
    """Every expression of the dashboard, with a range where Grafana puts one."""
    targets = [target for panel in PANELS for target in panel["targets"]]
    return [target["expr"].replace("$__rate_interval", "15s") for target in targets]


def said_by(tool: str, *arguments: str | Path) -> tuple[int, str]:
    """Run a tool of Prometheus; return its exit code and what it said."""
    done = subprocess.run(
        [program(tool), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name}: apt-get install prometheus prometheus-alertmanager brings it")
    return path


def test_prometheus_and_alertmanager_find_their_files_right(tmp_path: Path) -> None:
    for tool, *words in (
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "test", "rules", "alerts.test.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        code, said = said_by(tool, *words)
        assert 0 == code, said


def test_alertmanager_takes_slack_where_the_comment_says_so(tmp_path: Path) -> None:
    text = (FOLDER / "alertmanager.yml").read_text()
    changed = tmp_path / "alertmanager.yml"
    changed.write_text(re.sub(r"^    # (?=slack_|  )", "    ", text, flags=re.MULTILINE))
    code, said = said_by("amtool", "check-config", changed)
    assert 0 == code, said
    (receiver,) = yaml.safe_load(changed.read_text())["receivers"]
    assert {"title", "text", "api_url_file"} < receiver["slack_configs"][0].keys()


def test_every_alert_rings_in_a_test_of_its_own() -> None:
    tested = (FOLDER / "alerts.test.yml").read_text()
    rung = set(re.findall(r"alertname: (\w+)|labels: 'ALERTS\{alertname=\"(\w+)\"", tested))
    assert {rule["alert"] for rule in ALERTS} == {one or other for one, other in rung}


def test_operate_has_the_command_of_every_alert() -> None:
    text = OPERATE.read_text()
    anchors = headings("operate.md")
    for rule in ALERTS:
        notes = rule["annotations"]
        page, _, anchor = notes["runbook"].partition("#")
        assert ("docs/operate.md", True) == (page, anchor in anchors), notes["runbook"]
        command = re.sub(r"\{\{.*?\}\}", "HOST:8000", notes["command"])
        assert re.search(rf"^\| `{rule['alert']}` \|.*`{re.escape(command)}`", text, re.MULTILINE)


def test_every_expression_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{at}", "expr": expr} for at, expr in enumerate(expressions())]
    generated = tmp_path / "panels.yml"
    generated.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    code, said = said_by("promtool", "check", "rules", generated)
    assert 0 == code, said
    assert f"{len(rules)} rules found" in said


def test_every_panel_can_be_read_and_has_a_place_of_its_own() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"]
        assert all(target["legendFormat"] for target in panel["targets"])
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        rows = range(place["y"], place["y"] + place["h"])
        cells = {(column, row) for column in columns for row in rows}
        assert not cells & taken
        assert max(columns) < 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


class Receiver:
    """Takes what Alertmanager sends, as a pager would."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    def has(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.alerts if one["labels"]["alertname"] == name]

    @contextmanager
    def listening(self) -> Iterator[str]:
        taken = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.extend(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

        with listening(Handler) as address:
            yield f"{address}/alerts"


@contextmanager
def running(program: str, *options: str) -> Iterator[None]:
    with subprocess.Popen(
        [program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


def write_hurried(folder: Path, target: str, alertmanager: str, webhook: str) -> None:
    """Write our own files with other addresses, and seconds instead of minutes and hours."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for group in rules["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule.pop("for", None)
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    telling = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    telling["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    telling["receivers"][0]["webhook_configs"][0]["url"] = webhook
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(telling))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A service some of whose forecasts were judged, after Monday's work."""
    deployment = Deployment(tmp_path_factory.mktemp("watched"))
    deployment.load(weeks_held_back=2)
    deployment.publish("watched", windows=20)
    for command in ("train.py forecast", "database_loader.py", "monitor.py run"):
        subprocess.run(
            [sys.executable, *command.split()], cwd=ROOT, env=deployment.environment, check=True
        )
    yield deployment
    deployment.database.close()


def test_a_service_that_dies_is_told_to_the_receiver(
    deployment: Deployment, tmp_path: Path
) -> None:
    prometheus, alertmanager = program("prometheus"), program("prometheus-alertmanager")
    receiver, own, other = Receiver(), free_port(), free_port()
    with ExitStack() as stack:
        process, first = stack.enter_context(deployment.served())
        found = re.search(r"http://(\S+)", first)
        assert found, first
        service = found[1]
        webhook = stack.enter_context(receiver.listening())
        write_hurried(tmp_path, service, f"127.0.0.1:{other}", webhook)
        stack.enter_context(
            running(
                alertmanager, f"--config.file={tmp_path}/alertmanager.yml",
                f"--storage.path={tmp_path}/told", f"--web.listen-address=127.0.0.1:{other}",
                "--cluster.listen-address=",
            )
        )  # fmt: skip
        stack.enter_context(
            running(
                prometheus, f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/scraped",
                f"--web.listen-address=127.0.0.1:{own}",
            )
        )  # fmt: skip
        for expression in expressions():

            def shown(expression: str = expression) -> list[Any]:
                for path, body in EXAMPLES.items():
                    assert httpx.post(f"http://{service}{path}", json=body).status_code == 200
                return ask(own, expression)

            until(shown, lambda asked=expression: f"nothing is shown by {asked}", WITHIN_SECONDS)
        # The sample ends in 2012.
        wait_for(lambda: receiver.has("SalesForecastDataOld"), receiver)
        assert not receiver.has("SalesForecastDown")
        process.kill()
        wait_for(lambda: receiver.has("SalesForecastDown"), receiver)
        (down,) = receiver.has("SalesForecastDown")
        assert ("firing", "page") == (down["status"], down["labels"]["severity"])
        assert service == down["labels"]["instance"]
        assert "docker compose logs" in down["annotations"]["command"]


def wait_for(done: Callable[[], object], receiver: Receiver) -> None:
    until(done, lambda: f"told were only {receiver.alerts}", WITHIN_SECONDS)


def ask(port: int, expression: str) -> list[Any]:
    """Return what Prometheus shows for an expression now: nothing where it is not up yet."""
    try:
        response = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/query", params={"query": expression}, timeout=10
        )
    except httpx.TransportError:
        return []
    if response.status_code == 503:
        return []
    answer = response.json()
    assert "success" == answer["status"], answer
    return [one for one in answer["data"]["result"] if one["value"][1] != "NaN"]


def test_rules_and_panels_name_metrics_that_the_service_has(deployment: Deployment) -> None:
    with deployment.served() as (_, first):
        found = re.search(r"http://\S+", first)
        assert found, first
        for path, body in EXAMPLES.items():
            httpx.post(f"{found[0]}{path}", json=body).raise_for_status()
        told = httpx.get(f"{found[0]}/metrics").text
    metrics = set(re.findall(r"^(sales_forecast_\w+)", told, re.MULTILINE))
    asked = [*expressions(), *(rule["expr"] for rule in ALERTS)]
    named = {name for text in asked for name in re.findall(r"sales_forecast_\w+", text)}
    assert set() == named - metrics
    limits = {limit for text in asked for limit in re.findall(r'le="([^"]+)"', text)}
    assert limits <= set(re.findall(r'le="([^"]+)"', told))
