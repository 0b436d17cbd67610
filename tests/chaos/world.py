"""What faults happen to: a service of two workers, its database, two bundles and a clock."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx

from sales_forecast.service.app import create_app
from sales_forecast.service.live import load_predictor
from tests.chaos.callers import Callers, Question
from tests.fakes import LiveStub
from tests.service.conftest import PREDICT, ask_app
from tests.service.deployment import Deployment
from tests.service.test_ledger_under_fire import workers_of
from tests.service.test_server import eventually, url_in
from tests.service.way import Way

CLOCK = Path(__file__).with_name("clock")
BODIES = [
    *(
        ("/predict_sales", {**PREDICT, "Store": store, "Date": day})
        for store in (1, 7, 45)
        for day in ("2012-07-27", "2012-11-02", "2013-02-08")
    ),
    *(("/forecast_sales", {"store_id": store, "steps": store}) for store in (2, 9, 33)),
    ("/forecast_sales", {"series": [{"store_id": 1}, {"store_id": 2}], "steps": 5}),
]
QUESTIONS = [Question(path, json.dumps(body).encode()) for path, body in BODIES]


class World:
    """What is there, and as it is just now.

    Attributes:
        url: of the database, as those reach it who are not to be disturbed.
        process: the one that was started last; its workers are its children.
        champion: the bundle that is to be served.
        leaving: processes that are to end.
        seen: what was found when it was last asked whether all is well.
    """

    process: subprocess.Popen[str]

    def __init__(self, folder: Path, url: str, callers: Callers) -> None:
        self.folder, self.url = folder, url
        self._deployment = Deployment(folder, url)
        self._deployment.load()
        self.link = self._deployment.link
        versions = [self._deployment.publish("one"), self._deployment.publish("two", windows=8)]
        self.bundles = [folder / version for version in versions]
        self.champion = self.bundles[-1]
        self.leaving: set[int] = set()
        self.seen: object = None
        self.way = Way(url if "@" in url else "mysql+pymysql://nobody@127.0.0.1:1/nothing")
        self.clock = folder / "clock"
        self.clock.write_text("")
        self.printed = self._deployment.printed
        self._through = self.way.url if "@" in url else url
        self._callers = callers
        self._running = ExitStack()
        self._client = httpx.Client(headers={"Connection": "close"}, timeout=5)  # of any worker

    def start(self) -> None:
        """Start the service, on a port that callers learn; one that ran before has ended."""
        self._running.close()
        settings = {"PYTHONPATH": str(CLOCK), "CLOCK": str(self.clock), "WORKERS": "2"}
        served = self._deployment.served(DATABASE_URL=self._through, **settings)
        self.process, line = self._running.enter_context(served)
        self._callers.port = int(url_in(line).rpartition(":")[2])

    def is_well(self) -> bool:
        """Return whether two workers are there, ready with the champion, and answer again."""
        url = f"http://127.0.0.1:{self._callers.port}"
        asked = QUESTIONS[-1]
        try:
            ready = [self._client.get(f"{url}/ready") for _ in range(4)]
            answers = [self._client.post(url + asked.path, content=asked.body) for _ in range(4)]
        except httpx.TransportError as error:
            self.seen = error
            return False
        workers = {of.headers["X-Request-ID"].partition("-")[0] for of in answers}
        left = self.leaving & {*workers_of(self.process)}
        self.seen = workers, left, {of.text for of in ready}
        served = {(of.json().get("model_version"), of.json().get("refused")) for of in ready}
        return len(workers) == 2 and not left and served == {(self.champion.name, None)}

    def offline(self) -> Sequence[dict[Question, tuple[bytes, str | None]]]:
        """Return what each bundle answers to each question, in this process and without faults."""
        panel = self._deployment.database.read_panel()
        answered = []
        for folder in self.bundles:
            app = create_app(LiveStub(load_predictor(folder, panel)))
            answers = [ask_app(app, "POST", of.path, of.body) for of in QUESTIONS]
            answered.append(
                {
                    asked: (of.content, of.headers.get("X-Model-Version"))
                    for asked, of in zip(QUESTIONS, answers, strict=True)
                }
            )
        return answered

    def stop(self) -> None:
        """Stop politely; what waits for the database is moved into it."""
        eventually(self.is_well)
        self.process.terminate()
        assert 0 == self.process.wait(30)
        self._running.close()

    def close(self) -> None:
        self._running.close()
        self._client.close()
        self.way.close()
        self._deployment.database.close()
