"""Shorter ways to write keys of rules: one item for a list of one, a span of time for what has one. The JSON Schema knows them."""

from __future__ import annotations

from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


def as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


class OneOrMany:
    """Says in the JSON Schema that one item may stand for a list of one; `also`: items of these types are read as texts."""

    def __init__(self, *also: str) -> None:
        self._also = also

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        if not self._also:
            return {"anyOf": [many["items"], many]}
        item = {"anyOf": [many["items"], *({"type": type_} for type_ in self._also)]}
        return {"anyOf": [*item["anyOf"], {**many, "items": item}]}


class Or:
    """Says in the JSON Schema that a value of this schema may stand for the whole."""

    def __init__(self, **schema: Any) -> None:
        self._schema = schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [self._schema, handler(schema)]}
