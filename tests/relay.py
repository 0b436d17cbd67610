"""A server between an S3 and whoever asks it, which notes what was asked as IAM is asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from tests.listening import listening

Right = tuple[str, str, str]
"""An action, its bucket and key, and of a listing the prefix."""
_ACTIONS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject",
            "DELETE": "s3:DeleteObject"}  # fmt: skip
_NOT_PASSED_ON = {"connection", "content-length", "transfer-encoding"}


@contextmanager
def relayed(url: str, rights: set[Right]) -> Iterator[str]:
    """Give the address of a server that passes on to the S3 at `url`, and note what it takes."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = httpx.request(
                self.command, url + self.path, headers=dict(self.headers), content=body
            )
            rights.update(_rights(self.command, self.path, body.decode("latin-1")))
            if answer.status_code == httpx.codes.NOT_FOUND:  # who may not list is told 403
                bucket, key = _place(self.path)
                rights.add(("s3:ListBucket", bucket, key))
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_PASSED_ON:
                    self.send_header(name, value)
            length = answer.headers.get("content-length") or len(answer.content)
            self.send_header("content-length", str(length))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    with listening(Relay) as address:
        yield address


def _place(path: str) -> tuple[str, str]:
    bucket, _, key = unquote(urlsplit(path).path).lstrip("/").partition("/")
    return bucket, key


def _rights(command: str, path: str, body: str) -> Iterator[Right]:
    bucket, key = _place(path)
    asked = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if "list-type" in asked:
        yield "s3:ListBucket", bucket, asked.get("prefix", [""])[0]
    elif "delete" in asked:
        for one in re.findall("<Key>(.*?)</Key>", body):
            yield "s3:DeleteObject", f"{bucket}/{one}", ""
    else:
        yield _ACTIONS[command], f"{bucket}/{key}", ""
