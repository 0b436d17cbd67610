"""Everything that can go wrong, as one tree. Takes numbers and names, gives a sentence.

Every error has a `code` (stable, for programs), the `status` that callers get over HTTP, a message
(what, the numbers, what to do) and `fields` (what the message is about, by name). Foreign
exceptions are translated at the boundary where they arise: sources, database, registry, bundle,
engine, cluster. What AWS refuses is a branch in `aws_cloud_infra.account.errors`. One tree, and so
longer than other modules.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

STOPPED = 130
"""The exit code of a command that Ctrl-C or SIGTERM ended, as a shell gives it of the first."""
_MOST_CHARACTERS = 60
_WISHES: Mapping[str, str] = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_type": "a text",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text of the pattern {pattern}",
    "too_short": "a list of at least {min_length}",
    "greater_than": "more than {gt:.12g}",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than_equal": "at most {le:.12g}",
    "literal_error": "{expected}",
}
"""What pydantic finds wrong -> what a value must be."""
_STATES: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not known",
    "json_invalid": "is not JSON",
    "string_too_short": "must not be empty",
}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_SQLITE = "SQLITE_IOERR_SHMSIZE"
"""What it fails with, also when it only reads, where there is no room for what readers share."""
FULL = "the disk is full. Make room (`df -h` shows where), then run the command again."
_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_LOCAL = "/", "sqlite:///", "file:///"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def brief(text: str) -> str:
    """Cut what somebody else chose, so that a message cannot be made huge."""
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."


def in_words(detail: Mapping[str, Any]) -> str:
    """Return one of pydantic's error details in our words: the name, the wish and the value."""
    kind, name = detail["type"], ".".join(map(str, detail["loc"]))
    if kind in _WISHES:
        wish = _WISHES[kind].format_map(detail.get("ctx", {}))
        return f"{name} must be {wish}, not {brief(repr(detail['input']))}"
    if kind in _STATES:
        return f"{name or 'it'} {_STATES[kind]}"
    said: str = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {said}" if name else said


def is_full(error: BaseException) -> bool:
    """Tell whether a disk that is full is behind a failure, whoever's words it has."""
    number = getattr(error, "errno", None)
    said = str(error).lower()
    sqlite = getattr(error, "sqlite_errorname", None)
    return (
        number in _FULL
        or sqlite == _FULL_SQLITE
        or "no space left" in said
        or "disk is full" in said
    )


def scheme_of(address: str) -> str:
    """Return what may be said of any address: `mysql://...`. The rest may hold a password."""
    scheme = _SCHEME.match(address)
    return f"{scheme[0] if scheme else ''}..."


def shown(address: str) -> str:
    """Return an address as a message may show it: of one that may hold a password, the scheme."""
    rest = _SCHEME.sub("", address)
    # After a colon stands a port, or the password of a user whose host was forgotten.
    secret = "@" in rest or re.match(r"[^/\[]*:(?![0-9]*(/|$))", rest)
    return scheme_of(address) if secret and not address.startswith(_LOCAL) else address


class SalesForecastError(Exception):
    """Base of all errors that this package raises on purpose."""

    code = "error"
    status = 500
    _unprinted: ClassVar[re.Pattern[str]] = _CONTROL
    """One line of a log is one message, whatever names somebody else chose."""

    def __init__(
        self,
        message: str,
        fields: Mapping[str, object] | None = None,
        *,
        public: str | None = None,
    ) -> None:
        """`public`: the message for those who must not learn what hosts and users are called."""
        self.message = self._unprinted.sub("?", message)
        self.public = self.message if public is None else public
        super().__init__(self.message)
        self.fields = dict(fields or {})


class SettingsError(SalesForecastError):
    """An environment variable or `.env` entry that makes no sense."""

    code = "bad_settings"


class DataRefused(SalesForecastError):
    """A sales file that is not what it should be. Nothing of it was written."""

    code = "data_refused"

    def __init__(
        self, file: Path | str, problem: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        place = str(file)
        if line is not None:
            place += f", line {line}"
        if column is not None:
            place += f", column {column}"
        super().__init__(f"{place}: {problem}", {"file": str(file), "line": line, "column": column})


class NotEnoughData(SalesForecastError):
    """Too few weeks for what was asked; the message has both numbers."""

    code = "not_enough_data"

    @property
    def needed(self) -> int:
        """How many weeks would be enough; 0 where that is not what is wrong."""
        needed = self.fields.get("needed", 0)
        return needed if isinstance(needed, int) else 0


class DatabaseError(SalesForecastError):
    """The database does not answer, or holds something that this version cannot read."""

    code = "database_unavailable"
    status = 503


class RegistryError(SalesForecastError):
    """MLflow does not answer, or does not hold what was asked for."""

    code = "registry_unavailable"


class EngineError(SalesForecastError):
    """The processes or the cluster that should do the work cannot be reached, or failed."""

    code = "engine_unavailable"


class NoticeError(SalesForecastError):
    """Somebody who is to be told what the weekly job did could not be."""

    code = "notice_failed"


class NothingToPublish(SalesForecastError):
    """No training left a bundle that MLflow does not know yet."""

    code = "nothing_to_publish"


class BundleRefused(SalesForecastError):
    """A bundle that is missing, damaged, of another format, or does not answer as trained."""

    code = "bundle_refused"
    status = 503


class OlderBundle(BundleRefused):
    """A bundle of another release: sound, by its digest, but not to be read by this one."""


class InvalidRequest(SalesForecastError):
    """A field of a request that cannot be answered; `fields` names it."""

    code = "invalid_request"
    status = 422


class InvalidJson(SalesForecastError):
    """A body that is not JSON in UTF-8, or is nested absurdly deep."""

    code = "invalid_json"
    status = 400


class BodyTooLarge(SalesForecastError):
    """A body that no request of this service needs."""

    code = "body_too_large"
    status = 413


class UnknownSeries(SalesForecastError):
    """A series that the model does not know."""

    code = "unknown_series"
    status = 404


class UnknownStore(UnknownSeries):
    """A store that the model does not know."""

    code = "unknown_store"


class NoForecasts(SalesForecastError):
    """Nothing was forecast yet; the message has the command that does it."""

    code = "no_forecasts"
    status = 404


class UnknownPrediction(SalesForecastError):
    """No answer of this id is in the ledger, or it is another caller's."""

    code = "unknown_prediction"
    status = 404


class UnknownOverride(SalesForecastError):
    """No override has this id."""

    code = "unknown_override"
    status = 404


class ChangedMeanwhile(SalesForecastError):
    """Somebody else changed the same cells since they were seen. Nothing was overwritten."""

    code = "changed_meanwhile"
    status = 409


class Forbidden(SalesForecastError):
    """A caller who may ask, but not for this."""

    code = "forbidden"
    status = 403


class NotReady(SalesForecastError):
    """The service has no verified bundle or no history yet."""

    code = "not_ready"
    status = 503
