"""States of fitted models as JSON and arrays, and back.

Takes nested mappings of plain values and numpy arrays, gives a tree that JSON can hold, and the
arrays by name. A mapping that stands in several places is kept once and is one object again. No
pickle. Must not know models.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sales_forecast.errors import BundleRefused

State = Mapping[str, Any]
_ARRAY, _THING = "$array", "$thing"


class Packed:
    """States on their way into a bundle.

    Attributes:
        things: every mapping that has a `kind`, once, as JSON.
        arrays: name -> array.
    """

    def __init__(self) -> None:
        self.things: list[dict[str, Any]] = []
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self._places: dict[int, int] = {}
        self._kept: list[object] = []  # an address means nothing once what lived there is gone

    def add(self, state: State) -> dict[str, Any]:
        """Return what stands for a state in JSON; its arrays are kept aside."""
        packed: dict[str, Any] = self._pack(state)
        return packed

    def npz(self) -> bytes:
        """Return the arrays as the bytes of a file: equal arrays, equal bytes."""
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **self.arrays)
        return file.getvalue()

    def _pack(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._thing(value) if "kind" in value else self._mapping(value)
        if isinstance(value, np.ndarray):
            name = f"a{len(self.arrays)}"
            self.arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self._pack(one) for one in value]
        return value

    def _mapping(self, value: State) -> dict[str, Any]:
        return {str(name): self._pack(of) for name, of in value.items()}

    def _thing(self, value: State) -> dict[str, int]:
        if id(value) not in self._places:
            packed = self._mapping(value)
            self._kept.append(value)
            self._places[id(value)] = len(self.things)
            self.things.append(packed)
        return {_THING: self._places[id(value)]}


class Unpacked:
    """What `Packed` made, read back."""

    def __init__(self, things: Sequence[State], npz: bytes) -> None:
        """Read the arrays. Raises BundleRefused for a file that is none."""
        self._things = things
        self._known: dict[int, State] = {}
        try:
            with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
                self._arrays = {name: arrays[name] for name in arrays.files}
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise BundleRefused(f"arrays.npz cannot be read: {error}") from error

    def state(self, packed: State) -> State:
        """Return the state of what `Packed.add` gave. Raises BundleRefused."""
        try:
            found: State = self._unpack(packed)
        except (KeyError, IndexError, TypeError, RecursionError) as error:
            raise BundleRefused(f"manifest.json names what is not there: {error}") from error
        return found

    def _unpack(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            if _ARRAY in value:
                return self._arrays[value[_ARRAY]]
            if _THING in value:
                return self._thing(value[_THING])
            return {name: self._unpack(of) for name, of in value.items()}
        return [self._unpack(one) for one in value] if isinstance(value, list) else value

    def _thing(self, place: int) -> State:
        if place not in self._known:
            self._known[place] = self._unpack(self._things[place])
        return self._known[place]
