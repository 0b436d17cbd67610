"""What AWS's own models say of parameters, and boto3 leaves to AWS: lengths, patterns, ranges.

Takes what is about to be sent, gives what AWS would refuse. The emulator takes most of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

_SIZED = {"string", "list", "map"}
_ZONE = {"Id", "HostedZoneId"}
_NUMBERS = {"integer", "long", "float", "double"}


def misfits(value: Any, shape: Shape, where: str = "") -> Iterator[str]:
    """Yield what of a value does not fit its shape, each with where it stands."""
    if isinstance(shape, StructureShape):
        for name, item in value.items():
            yield from misfits(item, shape.members[name], f"{where}.{name}")
    elif isinstance(shape, ListShape):
        for item in value:
            yield from misfits(item, shape.member, f"{where}[]")
    elif isinstance(shape, MapShape):
        for name, item in value.items():
            yield from misfits(name, shape.key, f"{where} key")
            yield from misfits(item, shape.value, f"{where}.{name}")
    elif isinstance(shape, StringShape):
        yield from _of_text(value, shape, where)
    yield from _of_size(value, shape, where)


def _of_text(value: str, shape: StringShape, where: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield f"{where}: {value} is none of {', '.join(shape.enum)}"
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern and not pattern.search(value):
        yield f"{where}: {value} has not the form {pattern.pattern}"


def _of_size(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if shape.type_name not in _SIZED | _NUMBERS:
        return
    size = value if shape.type_name in _NUMBERS else len(value)
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", size)
    if not least <= size <= most:
        yield f"{where}: {str(value)[:80]} is {size}, not {least} to {most}"


_NOT_OF_PYTHON = {
    r"\p{L}": "a-zA-Z", r"\p{N}": "0-9", r"\p{Z}": " ", r"\p{Zs}": " ", r"\p{M}": "",
    r"\p{P}": r"!-#%-*,-/:;?@\[-\]_{}", r"\p{S}": "$+<=>^`|~",
    r"\p{Print}": "[ -~]", r"\p{ASCII}": "[\0-\x7f]",
    r"\uD800\uDC00-\uDBFF\uDFFF": "\U00010000-\U0010ffff",
    r"\w-": r"\w\-", "(?i)": "",
}  # fmt: skip
"""Words of AWS's patterns, and Python's; of letters, numbers and signs those of ASCII alone."""


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern, None if there is none. Raises re.error for one that Python has not."""
    for theirs, ours in _NOT_OF_PYTHON.items():
        pattern = pattern.replace(theirs, ours)
    return re.compile(f"^(?:{pattern})$", re.DOTALL) if pattern else None


def refuse_misfits(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
    """Fail where AWS would refuse what is about to be sent; for `before-parameter-build`."""
    # What boto3 takes off by itself, later.
    sent = {k: v.removeprefix("/hostedzone/") if k in _ZONE else v for k, v in params.items()}
    found = list(misfits(sent, model.input_shape)) if model.input_shape else []
    assert [] == found, (model.name, found)
