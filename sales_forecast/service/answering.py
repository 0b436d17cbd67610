"""What an application writes its answers to: the head of each leaves with the first of its body.

Takes bytes as uvicorn writes them, a head first, gives them to a transport. To send a head alone
takes the system as long as to send both, and wakes the caller twice. A caller who has gone is no
error: uvloop closes at the first write that fails, raises at the next, and tells only then. Must
not know what is in an answer.
"""

from __future__ import annotations

import asyncio

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Answering:
    """The transport of one connection, as its answers are written to it one after the other."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_closing = transport.is_closing
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        """Write, as long as somebody is there."""
        if self._begun or data == _CONTINUE:
            self._send(data)
        else:
            self._head, self._begun = data, True

    def end(self) -> None:
        """Send what is left of an answer."""
        self._begun = False
        if self._head:
            self._send(b"")

    def close(self) -> None:
        """Send what is left, and hang up."""
        self.end()
        self._transport.close()

    def _send(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        if not self._transport.is_closing():
            self._transport.write(data)
