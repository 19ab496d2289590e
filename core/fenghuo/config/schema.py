"""A configuration's JSON Schema (draft 2020-12), for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from fenghuo.config.section import Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FROM_ENVIRONMENT = {
    "description": "The value of an environment variable, within a text or alone.",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
    "type": "string",
}
_REFERENCE = {"$ref": "#/$defs/FromEnvironment"}
_KEPT = ("title", "description", "default", "deprecated", "examples")


def schema(model: type[Section]) -> dict[str, Any]:
    """The JSON Schema of files that `load(…, model)` takes, with `<secret>_file` keys and `${NAME}` values."""
    result = model.model_json_schema(mode="validation")
    definitions: dict[str, Any] = result.pop("$defs", {})
    for section in _sections([result, definitions]):
        _take_variables(section)
    return {
        "$schema": DIALECT,
        **result,
        "$defs": {**definitions, "FromEnvironment": _FROM_ENVIRONMENT},
    }


def schema_text(model: type[Section]) -> str:
    """The schema as the text of a file."""
    return json.dumps(schema(model), indent=2, ensure_ascii=False) + "\n"


def _sections(part: Any) -> Iterator[dict[str, Any]]:
    """Every schema within `part` that lists options."""
    if isinstance(part, list):
        for item in cast("list[Any]", part):
            yield from _sections(item)
    elif isinstance(part, dict):
        schema_part = cast("dict[str, Any]", part)
        if isinstance(schema_part.get("properties"), dict):
            yield schema_part
        yield from _sections(list(schema_part.values()))


def _take_variables(part: dict[str, Any]) -> None:
    """Let every option that is no free text be `${NAME}` as well."""
    properties = cast("dict[str, dict[str, Any]]", part.get("properties", {}))
    for name, option in properties.items():
        if "anyOf" in option:
            if any(_is_narrow(choice) for choice in option["anyOf"]):
                option["anyOf"].append(_REFERENCE)
        elif _is_narrow(option):
            kept = {key: option[key] for key in _KEPT if key in option}
            rest = {key: value for key, value in option.items() if key not in _KEPT}
            properties[name] = {**kept, "anyOf": [rest, _REFERENCE]}


def _is_narrow(option: dict[str, Any]) -> bool:
    return option.get("type") in ("integer", "number", "boolean") or "enum" in option or "pattern" in option
