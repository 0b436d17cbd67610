"""What a form of the page sends: names and texts, of a bounded size.

Takes a request, gives its fields. Must not know what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from sales_forecast.errors import BodyTooLarge, InvalidRequest

_MOST_BYTES = 100_000
_MOST_FIELDS = 200
_KIND = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a form; of one that is sent twice the last.

    May be asked again. Raises BodyTooLarge, InvalidRequest.
    """
    if not hasattr(request.state, "form"):
        request.state.form = await _read(request)
    form: Mapping[str, str] = request.state.form
    return form


async def _read(request: Request) -> Mapping[str, str]:
    if not request.headers.get("content-type", "").startswith(_KIND):
        raise InvalidRequest("The page takes forms alone. Load it again.", {"body": _KIND})
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise BodyTooLarge(
                f"The form has {len(body):,} bytes or more; at most {_MOST_BYTES:,} are read.",
                {"body": len(body)},
            )
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise InvalidRequest("The form is not text in UTF-8. Load the page again.") from None
