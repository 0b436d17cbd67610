"""Who is told what: real receivers, those that are down, slow or say no."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from sales_forecast.errors import SettingsError
from sales_forecast.operations import notices
from sales_forecast.operations.notices import tell
from sales_forecast.settings import Settings, load_settings
from tests.aws.account import Account
from tests.listening import listening
from tests.mlflow_server import free_port

SECRET = "T000-secret"  # noqa: S105 - of nobody


@contextmanager
def receiver(answer: bytes = b"HTTP/1.0 200 OK\r\n\r\nok") -> Iterator[tuple[str, list[Any]]]:
    """A webhook: gives its address and what it was sent; empty answers never come."""
    received: list[Any] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent = json.loads(self.rfile.read(length))
            received.append((self.path, self.headers["Content-Type"], sent))
            if answer:
                self.wfile.write(answer)
            else:
                over.wait()

    with listening(Handler) as address:
        try:
            yield f"{address}/{SECRET}", received
        finally:
            over.set()


def to(url: str) -> Settings:
    return Settings(notify_webhook_url=url)


def test_a_webhook_is_told_in_the_form_of_slack() -> None:
    with receiver() as (url, received):
        sent = tell(to(url), "Sales <fell> & 'rose'\nforecast: done")
    assert (("the webhook",), ()) == (sent.told, sent.failed)
    text = "Sales &lt;fell&gt; &amp; 'rose'\nforecast: done"
    assert [(f"/{SECRET}", "application/json", {"text": text})] == received


def test_nobody_is_told_where_nobody_is_named() -> None:
    assert notices.Told((), ()) == tell(Settings(), "x")


def test_what_is_too_long_is_cut() -> None:
    with receiver() as (url, received):
        tell(to(url), "x" * 5000)
    assert "x" * 2996 + " ..." == received[0][2]["text"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 404 Not Found\r\n\r\nno_service", "it answers 404"),
        (b"HTTP/1.0 500 Oops\r\n\r\n", "it answers 500"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "it answers 302"),
        (b"what\r\n\r\n", "it cannot be reached (BadStatusLine)"),
    ],
)
def test_a_receiver_that_says_no_is_named_without_its_address(answer: bytes, said: str) -> None:
    with receiver(answer) as (url, received):
        sent = tell(to(url), "x")
    assert ((), (f"the webhook: {said}",)) == (sent.told, sent.failed)
    assert 1 == len(received)


def test_a_receiver_that_is_down_or_has_no_address_is_told_of() -> None:
    down = tell(to(f"http://127.0.0.1:{free_port()}/{SECRET}"), "x")
    assert ("the webhook: it cannot be reached (Connection refused)",) == down.failed
    strange = tell(to(f"http://[::1/{SECRET}"), "x")
    assert ("the webhook: it cannot be reached (ValueError)",) == strange.failed


def test_a_receiver_that_never_answers_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_SECONDS", 0.1)
    with receiver(b"") as (url, _):
        assert ("the webhook: it cannot be reached (TimeoutError)",) == tell(to(url), "x").failed
    # One that sends a byte now and then is never silent for long.
    monkeypatch.setattr(notices, "_SECONDS", 60.0)
    monkeypatch.setattr(notices, "_SECONDS_IN_ALL", 0.1)
    with receiver(b"") as (url, _):
        assert ("the webhook: no answer within 0 s",) == tell(to(url), "x").failed


def test_a_topic_is_told(server: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    server.reset()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    session = server.session("eu-west-1")
    sns, sqs = session.client("sns"), session.client("sqs")
    topic = sns.create_topic(Name="watch")["TopicArn"]
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    sent = tell(Settings(notify_sns_topic_arn=topic), "forecast: <done>")
    assert (("the topic watch",), ()) == (sent.told, sent.failed)
    (mail,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(mail["Body"])
    assert ("Sales forecasts", "forecast: <done>") == (body["Subject"], body["Message"])

    both = Settings(
        notify_sns_topic_arn=f"{topic}-gone",
        notify_webhook_url=f"http://127.0.0.1:{free_port()}/",
    )
    failed = tell(both, "x").failed
    assert 2 == len(failed)
    assert "the topic watch-gone: AWS refuses it (NotFound)" == failed[1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NOTIFY_WEBHOOK_URL", f"hooks.slack.com/{SECRET}", "it begins with https:// or http://."),
        ("NOTIFY_SNS_TOPIC_ARN", "watch", "must be a text of the pattern"),
    ],
)
def test_an_address_that_can_never_work_is_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as refused:
        load_settings()
    assert said in refused.value.message
    assert SECRET not in refused.value.message
