"""The JSON Schema (draft 2020-12) of rule files, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from fenghuo.config.schema import DIALECT
from fenghuo.rules.kinds import KINDS


def rule_schema() -> dict[str, Any]:
    """The schema of one document of a rule file: the keys of each kind."""
    choices: list[dict[str, Any]] = []
    definitions: dict[str, Any] = {}
    for kind in KINDS.values():
        schema = TypeAdapter(kind.section).json_schema(mode="validation")
        definitions |= schema.pop("$defs", {})
        definitions[kind.section.__name__] = schema
        choices.append({"$ref": f"#/$defs/{kind.section.__name__}"})
    return {
        "$schema": DIALECT,
        "title": "Fenghuo rule",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": choice,
            }
            for name, choice in zip(KINDS, choices, strict=True)
        ],
        "$defs": definitions,
    }
