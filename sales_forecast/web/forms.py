"""What a form of the page sends: names and texts, of a bounded size.

Takes a request, gives its fields. Must not know what they mean.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from sales_forecast.errors import BodyTooLarge, InvalidRequest

_MOST_BYTES = 100_000
_MOST_FIELDS = 200
MOST_UPLOADED = 20_000_000
_KIND = "application/x-www-form-urlencoded"
_KIND_WITH_FILE = "multipart/form-data"


async def form_of(request: Request, most_bytes: int = _MOST_BYTES) -> Mapping[str, str]:
    """Return the fields of a form; of one that is sent twice the last.

    May be asked again. Raises BodyTooLarge, InvalidRequest.
    """
    if not hasattr(request.state, "form"):
        request.state.form = await _read(request, most_bytes)
    form: Mapping[str, str] = request.state.form
    return form


@asynccontextmanager
async def upload_of(request: Request) -> AsyncIterator[IO[bytes]]:
    """Give the file of a form; `form_of` then gives its other fields.

    Raises BodyTooLarge, InvalidRequest.
    """
    kind = request.headers.get("content-type", "")
    # Browsers name no charset; whoever does could have texts that are none in UTF-8.
    if not kind.startswith(_KIND_WITH_FILE) or "charset" in kind.lower():
        raise InvalidRequest("The page takes a file of a form in UTF-8.", {"body": _KIND_WITH_FILE})
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > MOST_UPLOADED:
        raise _too_large("file", int(told), MOST_UPLOADED)
    counted = _counted(request.stream(), "file", MOST_UPLOADED)
    try:
        form = await MultiPartParser(request.headers, counted, max_files=1).parse()
    except MultiPartException:
        problem = "The file did not arrive whole, or not as a form sends it. Send it again."
        raise InvalidRequest(problem, {"body": "damaged"}) from None
    files = [of.file for of in form.values() if isinstance(of, UploadFile)]
    if not files:
        raise InvalidRequest("Choose a file first.", {"file": "missing"})
    request.state.form = {name: of for name, of in form.items() if isinstance(of, str)}
    with files[0] as file:
        yield file


async def _read(request: Request, most_bytes: int) -> Mapping[str, str]:
    if not request.headers.get("content-type", "").startswith(_KIND):
        raise InvalidRequest("The page takes forms alone. Load it again.", {"body": _KIND})
    parts = [part async for part in _counted(request.stream(), "form", most_bytes)]
    body = b"".join(parts)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise InvalidRequest(
            f"The form is not text in UTF-8, or has more than {_MOST_FIELDS} fields. "
            "Load the page again."
        ) from None


async def _counted(parts: AsyncIterator[bytes], what: str, most: int) -> AsyncGenerator[bytes]:
    whole = 0
    async for part in parts:
        whole += len(part)
        if whole > most:
            raise _too_large(what, whole, most)
        yield part


def _too_large(what: str, size: int, most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The {what} has {size:,} bytes or more; at most {most:,} are read.", {"body": size}
    )
