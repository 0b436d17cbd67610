"""Telling people: a webhook in the form of Slack, and a topic of SNS.

Takes a text, sends it to whoever the settings name, gives who was told and who could not be. A
receiver that is down or slow costs seconds, never more. Must not put an address into a message:
that of a webhook is as good as a password.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sales_forecast.errors import NoticeError
from sales_forecast.operations.aws_calls import SECONDS as _SECONDS
from sales_forecast.operations.aws_calls import calling
from sales_forecast.settings import Settings

_SECONDS_IN_ALL = 15.0
_LONGEST = 3_000
"""Characters: more than that nobody reads, and Slack cuts."""
_SUBJECT = "Sales forecasts"


@dataclass(frozen=True)
class Told:
    """Who was told, and what went wrong with the others, each in words."""

    told: tuple[str, ...]
    failed: tuple[str, ...]


def tell(settings: Settings, text: str) -> Told:
    """Send a text to everybody whom the settings name. Raises nothing."""
    brief = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
    ways: dict[str, Callable[[], None]] = {}
    if settings.notify_webhook_url is not None:
        url = settings.notify_webhook_url.get_secret_value()
        ways["the webhook"] = lambda: _post(url, brief)
    topic = settings.notify_sns_topic_arn
    if topic is not None:
        ways[f"the topic {topic.rpartition(':')[2]}"] = lambda: _publish(topic, brief)
    told, failed = [], []
    for name, send in ways.items():
        try:
            _within(_SECONDS_IN_ALL, send)
            told.append(name)
        except NoticeError as error:
            failed.append(f"{name}: {error.message}")
    return Told(tuple(told), tuple(failed))


def _within(seconds: float, send: Callable[[], None]) -> None:
    """Do something that nothing else may wait for any longer. Raises NoticeError."""
    outcome: list[NoticeError | None] = []

    def work() -> None:
        try:
            send()
        except NoticeError as error:
            outcome.append(error)
        else:
            outcome.append(None)

    sending = Thread(target=work, daemon=True)
    sending.start()
    sending.join(seconds)
    if sending.is_alive() and not outcome:
        raise NoticeError(f"no answer within {seconds:.0f} s")
    if not outcome:
        raise NoticeError("an error that nobody foresaw; its trace is above")
    if outcome[0] is not None:
        raise outcome[0]


class _NoRedirect(HTTPRedirectHandler):
    """A webhook that has moved is no webhook: what is told may not go elsewhere."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def _post(url: str, text: str) -> None:
    body = json.dumps({"text": html.escape(text, quote=False)}).encode()
    try:
        request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http only
        with build_opener(_NoRedirect).open(request, timeout=_SECONDS) as answer:
            status = int(answer.status)
    except HTTPError as error:
        with error:
            status = error.code
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        raise NoticeError(f"it cannot be reached ({reason})") from error
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise NoticeError(f"it answers {status}")


def _publish(topic: str, text: str) -> None:
    with calling("sns", topic.split(":")[3]) as sns:
        sns.publish(TopicArn=topic, Subject=_SUBJECT, Message=text)
