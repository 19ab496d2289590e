"""The reference of a configuration: every option with its type, default and meaning, as Markdown tables."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fenghuo.config.secret import FILE_SUFFIX, Secret
from fenghuo.config.section import Section, is_secret
from fenghuo.config.units import format_duration, format_size, is_duration, is_size

_SIMPLE = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "file name",
    Secret: "secret",
    Any: "any value",
    types.NoneType: "nothing",
}
_LISTS = (list, tuple, set, frozenset)
_HEAD = "| option | type | default | meaning |\n|---|---|---|---|"


def reference(model: type[Section]) -> str:
    """One heading and table per section, in the order of the file; `[]` stands for each item of a list."""
    parts: list[str] = []
    for path, section in _sections("", model, ()):
        heading = f"## `{path}`" if path else "## At the top"
        rows = [_row(name, field) for name, field in section.model_fields.items()]
        about = inspect.cleandoc(vars(section).get("__doc__") or "")
        parts += [heading, *([about] if about else []), *(["\n".join([_HEAD, *rows])] if rows else [])]
    return "\n\n".join(parts) + "\n"


def undescribed(model: type[Section]) -> list[str]:
    """The options that lack a description; a test keeps this empty."""
    return [
        f"{path}.{name}".lstrip(".")
        for path, section in _sections("", model, ())
        for name, field in section.model_fields.items()
        if not field.description
    ]


def _sections(path: str, model: type[Section], above: tuple[type[Section], ...]) -> Iterator[tuple[str, type[Section]]]:
    """A section and those within it, each with its path; one that contains itself is shown once."""
    yield path, model
    for name, field in model.model_fields.items():
        key = field.alias or name
        for suffix, inner in _inner(field.annotation):
            if inner not in (*above, model):
                inner_path = f"{path}.{key}{suffix}" if path else f"{key}{suffix}"
                yield from _sections(inner_path, inner, (*above, model))


def _inner(annotation: Any) -> Iterator[tuple[str, type[Section]]]:
    """The sections that a field's type holds, with `[]` or `.*` where they are items."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and origin is None and issubclass(annotation, Section):
        yield "", annotation
    elif origin is Annotated:
        yield from _inner(arguments[0])
    elif origin in (Union, types.UnionType):
        for part in arguments:
            yield from _inner(part)
    elif origin is not None and origin is not Literal and arguments:
        suffix = "[]" if _is_list(origin) else ".*"
        for found, inner in _inner(arguments[0] if _is_list(origin) else arguments[-1]):
            yield suffix + found, inner


def _is_list(origin: Any) -> bool:
    return origin in _LISTS or (isinstance(origin, type) and issubclass(origin, Sequence))


def _row(name: str, field: FieldInfo) -> str:
    key = field.alias or name
    shown = f"`{key}`, `{key}{FILE_SUFFIX}`" if is_secret(field.annotation) else f"`{key}`"
    kind = describe(field.annotation, field.metadata) + _bounds(field)
    cells = (shown, kind, _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def describe(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type in the words of the reference: `list of text`, `duration`, `` `a` or `b` ``."""
    if is_duration(metadata):
        return "duration"
    if is_size(metadata):
        return "size"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(arguments[0], arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(part) for part in arguments if part is not types.NoneType))
    if origin is not None and _is_list(origin):
        return f"list of {describe(arguments[0])}"
    if origin is not None and arguments:
        return f"mapping of {describe(arguments[-1])}"
    return _describe_class(annotation)


def _describe_class(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "section"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return _SIMPLE.get(cast("Any", annotation), "text")


def _bounds(field: FieldInfo) -> str:
    is_time, is_bytes = _is(field, is_duration), _is(field, is_size)
    parts: list[str] = []
    for rule in field.metadata:
        for kind, sign, name in ((Ge, "≥", "ge"), (Gt, ">", "gt"), (Le, "≤", "le"), (Lt, "<", "lt")):
            if isinstance(rule, kind):
                bound = getattr(rule, name)
                text = format_duration(bound) if is_time else format_size(bound) if is_bytes else bound
                parts.append(f"{sign} {text}")
        if isinstance(rule, MinLen) and rule.min_length:
            parts.append("not empty" if rule.min_length == 1 else f"at least {rule.min_length}")
        if isinstance(rule, MaxLen):
            parts.append(f"at most {rule.max_length}")
    return f" ({', '.join(parts)})" if parts else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if field.default_factory is not None and isinstance(value, str):
        return ""  # it depends on the machine; the description says how
    if value is None or value is PydanticUndefined or isinstance(value, Section | Secret):
        return ""
    if _is(field, is_duration):
        return f"`{format_duration(value)}`"
    if _is(field, is_size):
        return f"`{format_size(value)}`"
    return _plain(value)


def _is(field: FieldInfo, check: Callable[[Sequence[Any]], bool]) -> bool:
    """Whether a field is a duration or a size (`check` says which), or nothing."""
    parts = [part for part in get_args(field.annotation) if get_origin(part) is Annotated]
    return check(field.metadata) or any(check(get_args(part)[1:]) for part in parts)


def _plain(value: Any) -> str:
    """A default as it would stand in the file."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return "`{" + ", ".join(f"{key}: {item}" for key, item in items) + "}`" if value else ""
    if isinstance(value, list | tuple | set | frozenset):
        entries = cast("Sequence[object]", value)
        return "`[" + ", ".join(str(entry) for entry in entries) + "]`" if value else ""
    return f"`{value}`" if value != "" else ""
