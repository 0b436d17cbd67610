"""Who has signed in: a cookie that says whose key it was and until when, signed.

Takes keys and a secret, gives cookies, what they are worth, and the tokens without which no form
is taken. The signature holds the key's hash: a key that is taken out of its file, or exchanged,
ends its sessions at once, in every worker, and nothing need be kept. Must not know HTTP.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sales_forecast.service.api_keys import ApiKeys, Caller
from sales_forecast.settings import Settings

SECONDS = 12 * 60 * 60
"""A working day; then one signs in again."""
_FILE = "session.secret"
_BYTES = 32
_NONCE = 12

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """Somebody who has signed in; `payload` tells this session from others of the same caller."""

    caller: Caller
    payload: str


class Sessions:
    """Signs and reads cookies."""

    def __init__(self, keys: ApiKeys, secret: bytes) -> None:
        self._keys = keys
        self._secret = secret

    def begin(self, key: bytes) -> str | None:
        """Return the cookie of whoever has this key; None where nobody has."""
        caller = self._keys.caller(key)
        if caller is None:
            return None
        until = int(time.time()) + SECONDS
        told = json.dumps([caller.name, until, secrets.token_urlsafe(_NONCE)])
        payload = _text(told.encode())
        return f"{payload}.{self._signature(payload, sha256(key).digest())}"

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None where it is over, or was never one."""
        payload, _, signature = cookie.partition(".")
        try:
            name, until, _ = json.loads(_bytes(payload))
            over = time.time() >= until
        except (ValueError, TypeError, RecursionError):
            return None
        if over:
            return None
        for of, caller in self._keys.known_as(name):
            if hmac.compare_digest(self._signature(payload, of).encode(), signature.encode()):
                return Session(caller, payload)
        return None

    def token(self, session: Session) -> str:
        """Return what a form of this session must send; another one each time it is shown."""
        # The same token in each page that is compressed could be guessed from the lengths.
        nonce = secrets.token_urlsafe(_NONCE)
        return f"{nonce}.{self._signature(session.payload, nonce.encode())}"

    def is_token(self, session: Session, token: str) -> bool:
        """Say whether a form of this session sent it."""
        nonce, _, signature = token.partition(".")
        expected = self._signature(session.payload, nonce.encode())
        return hmac.compare_digest(expected.encode(), signature.encode())

    def _signature(self, payload: str, of: bytes) -> str:
        message = sha256(payload.encode()).digest() + of
        return _text(hmac.digest(self._secret, message, "sha256"))


def secret_of(settings: Settings) -> bytes:
    """Return what cookies are signed with: SESSION_SECRET, or what all workers of VAR_DIR share."""
    if settings.session_secret is not None:
        return settings.session_secret.get_secret_value().encode()
    file = settings.var_dir / _FILE
    try:
        return _kept(file)
    except OSError as error:
        logger.warning(
            "%s cannot be kept (%s): each worker has its own secret, and sessions end with it. "
            "Set SESSION_SECRET.",
            file,
            error.strerror,
        )
        return secrets.token_bytes(_BYTES)


def _kept(file: Path) -> bytes:
    """Return the secret of a file; the first who asks makes it, whole or not at all."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secrets.token_bytes(_BYTES))
    try:
        with suppress(FileExistsError):
            os.link(part, file)
    finally:
        part.unlink()
    return file.read_bytes()


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
