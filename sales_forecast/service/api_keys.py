"""Whose key is whose: names, roles and hashes of keys, never a key.

Takes the settings API_KEY and API_KEYS_FILE, gives the caller that a key belongs to. The file is
looked at again while the service runs; one that cannot be used changes nothing. No message shows
what stands for a hash: it may be a key that somebody wrote there. Must not know HTTP.
"""

from __future__ import annotations

import logging
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from sales_forecast.errors import SettingsError, brief, in_words
from sales_forecast.settings import Settings

Role = Literal["viewer", "planner", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
_OF_API_KEY = "default"
# In one case, so that no database takes two callers for one.
_NAME = re.compile("[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile("[0-9a-fA-F]{64}")
_DIGITS = 64
_PLACE = re.compile(r" \(at (line \d+, column \d+|end of document)\)$")
_KEY_BYTES = 32

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who asks, by the key that was sent."""

    name: str
    role: Role


def _name(value: object) -> object:
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise ValueError(
            "must be 1 to 64 lower-case letters, digits, dots, dashes and underlines, and begin "
            f"with a letter or digit; it is {brief(repr(value))}"
        )
    if value == _OF_API_KEY:
        raise ValueError(f"{_OF_API_KEY!r} is the name of API_KEY")
    return value


def _hashes(value: object) -> tuple[bytes, ...]:
    listed = value if isinstance(value, list) else [value]
    texts = [one for one in listed if isinstance(one, str)]
    if not texts or texts != listed:
        raise ValueError("must be a text, or a list of texts while a key is exchanged")
    for one in texts:
        if len(one) != _DIGITS:
            raise ValueError(f"must be {_DIGITS} hexadecimal digits, not {len(one)} characters")
        if not _HASH.fullmatch(one):
            raise ValueError(f"must be {_DIGITS} hexadecimal digits, and has another character")
    found = tuple(bytes.fromhex(one) for one in texts)
    if _hash(b"") in found:
        raise ValueError("is that of an empty key")
    return found


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, BeforeValidator(_name)]
    role: Role
    sha256: Annotated[tuple[bytes, ...], BeforeValidator(_hashes)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[_Entry, ...] = ()


class ApiKeys:
    """The keys that are known now. Looking one up takes no lock: the whole mapping is exchanged."""

    def __init__(self, key: str | None, file: Path | None = None) -> None:
        """Take API_KEY, whose caller is the admin `default`, and the file of the others.

        Raises SettingsError for a file that cannot be used.
        """
        admin = Caller(_OF_API_KEY, "admin")
        self._always = {} if key is None else {_hash(key.encode()): admin}
        self._file = file
        self._content = None if file is None else _content(file)
        self._callers = self._of(self._content)
        self.problem: str | None = None
        """Why what the file holds now is not in force; None where it is."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Return what a deployment asks for, None where everybody may ask."""
        key = settings.api_key.get_secret_value() if settings.api_key else None
        if key is None and settings.api_keys_file is None:
            return None
        return cls(key, settings.api_keys_file)

    def __len__(self) -> int:
        """Return how many keys are in force."""
        return len(self._callers)

    def caller(self, key: bytes) -> Caller | None:
        """Return whose key it is. How long that takes tells of its hash, and of no known key."""
        return self._callers.get(_hash(key))

    def known_as(self, name: str) -> Iterator[tuple[bytes, Caller]]:
        """Yield the hash of each key of a caller that is in force."""
        return ((of, caller) for of, caller in self._callers.items() if caller.name == name)

    def refresh(self) -> None:
        """Look once whether the file has changed. Raises nothing foreseen: see `problem`."""
        if self._file is None:
            return
        problem = None
        try:
            content = _content(self._file)
            if content != self._content:
                self._callers, self._content = self._of(content), content
                logger.info("The API keys of %s are in force: %d.", self._file, len(self))
        except SettingsError as error:
            problem = error.message
            if problem != self.problem:
                logger.warning("%s The keys before hold.", problem)
        self.problem = problem

    def _of(self, content: bytes | None) -> Mapping[bytes, Caller]:
        if content is None:
            return self._always
        try:
            return {**self._always, **_callers(content, self._always)}
        except ValueError as error:
            raise _refused(self._file, str(error)) from None


def new_entry(name: str, role: str) -> tuple[str, str]:
    """Return a new key and the lines that stand for it in the file. Raises SettingsError."""
    key = secrets.token_urlsafe(_KEY_BYTES)
    told = {"name": name, "role": role, "sha256": _hash(key.encode()).hex()}
    try:
        _Entry.model_validate(told)
    except ValidationError as error:
        raise SettingsError(f"{_said(error)}.") from None
    return key, "\n".join(["[[keys]]", *(f'{of} = "{value}"' for of, value in told.items()), ""])


def _hash(key: bytes) -> bytes:
    return sha256(key).digest()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _refused(file, f"it cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a NUL in it
        raise _refused(file, "no file has such a name") from None


def _refused(file: Path | None, problem: str) -> SettingsError:
    return SettingsError(f"API_KEYS_FILE {file}: {problem}.", {"API_KEYS_FILE": str(file)})


def _callers(content: bytes, taken: Mapping[bytes, Caller]) -> dict[bytes, Caller]:
    """Return what a file says, by hash. Raises ValueError with the reason."""
    try:
        told = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        raise ValueError(f"it is not TOML{f', see {place[1]}' if place else ''}") from None
    try:
        entries = _File.model_validate(told).keys
    except ValidationError as error:
        raise ValueError(_said(error)) from None
    if not entries:
        raise ValueError("it holds no key; `python main.py --new-key NAME ROLE` makes one")
    return dict(_once(entries, {of: caller.name for of, caller in taken.items()}))


def _once(entries: tuple[_Entry, ...], taken: dict[bytes, str]) -> Iterator[tuple[bytes, Caller]]:
    """Yield every hash. Raises ValueError for a name or a hash that is given twice."""
    names = set()
    for entry in entries:
        if entry.name in names:
            raise ValueError(f"the name {entry.name!r} is given twice; `sha256` takes a list")
        names.add(entry.name)
        for of in entry.sha256:
            if of in taken:
                raise ValueError(f"{entry.name!r} and {taken[of]!r} have the same key")
            taken[of] = entry.name
            yield of, Caller(entry.name, entry.role)


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] in {"tuple_type", "model_type"}:
        return "`keys` must be tables, each under a line `[[keys]]`"
    match first["loc"]:
        case ("keys", int(place), *rest):
            return f"key {place + 1}: {in_words({**first, 'loc': rest})}"
    return in_words(first)
