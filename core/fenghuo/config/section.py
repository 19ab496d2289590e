"""The base of every configuration section."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, Union, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from fenghuo.config.secret import FILE_SUFFIX, Secret, folder_of, point_to_files


class Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, secrets also taken from files.

    Every field has a description (it becomes the reference and the JSON Schema) and, where one can be good for all, a
    default. A field `x` of type `Secret` (or `Secret | None`) may be given as `x` or, by the name of a file, as `x_file`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=False,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any) -> Any:
        """Turn `x_file` into the secret `x`, and truths where numbers are wanted into what is refused."""
        if not isinstance(data, Mapping):
            return data
        content = cast("Mapping[str, Any]", data)
        result = point_to_files(content, secret_files(cls))
        for name in _numbers(cls):
            if isinstance(result.get(name), bool):
                result[name] = str(result[name])  # `port: yes` is a slip, though pydantic would read true as 1
        return result

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def note(data: Any, info: ValidationInfo) -> Any:
            """Remember, for the words of errors, which mapping of the file was tried as which section."""
            notes = cast("Mapping[str, Any]", info.context or {})
            seen = cast("dict[int, list[type[Section]]]", notes.get("sections", {}))
            seen.setdefault(id(data), []).append(cls)
            return data

        return core_schema.with_info_before_validator_function(note, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        content = handler.resolve_ref_schema(result)
        for file_key, key in secret_files(cls).items():
            if file_key not in content["properties"]:
                _describe_file(content, key, file_key)
        return result

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed."""
        fields = {name: getattr(self, name) for name in type(self).model_fields} | changes
        aliases = {name: field.alias or name for name, field in type(self).model_fields.items()}
        return type(self).model_validate({aliases.get(name, name): value for name, value in fields.items()})


def _describe_file(schema: JsonSchemaValue, key: str, file_key: str) -> None:
    schema["properties"][file_key] = {
        "type": "string",
        "minLength": 1,
        "title": file_key,
        "description": f"Name of a file that holds `{key}`; relative to the configuration file.",
    }
    required: list[str] = schema.get("required", [])
    if key in required:
        schema["required"] = [name for name in required if name != key]
        rule: JsonSchemaValue = {"oneOf": [{"required": [key]}, {"required": [file_key]}]}
    else:
        rule = {"not": {"required": [key, file_key]}}
    schema.setdefault("allOf", []).append(rule)


@cache
def secret_files(section: type[Section]) -> Mapping[str, str]:
    """The file key (`password_file`) → the key (`password`) of each secret of a section."""
    names = {field.alias or name: field.annotation for name, field in section.model_fields.items()}
    return {
        f"{name}{FILE_SUFFIX}": name
        for name, annotation in names.items()
        if is_secret(annotation) and f"{name}{FILE_SUFFIX}" not in section.model_fields
    }


@cache
def _numbers(section: type[Section]) -> frozenset[str]:
    """The options of a section that are numbers and no truths."""
    kinds = {field.alias or name: _members(field.annotation) for name, field in section.model_fields.items()}
    return frozenset(name for name, kind in kinds.items() if kind & {int, float} and bool not in kind)


def _members(annotation: Any) -> frozenset[Any]:
    """The types that a field may have, of a union each."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return frozenset[Any]().union(*(_members(part) for part in get_args(annotation)))
    return frozenset([annotation])


def is_secret(annotation: Any) -> bool:
    """Whether a field's type is `Secret` or `Secret | None`."""
    members = _members(annotation)
    return Secret in members and members <= {Secret, types.NoneType}


def _resolve(value: Any, info: ValidationInfo) -> Any:
    return folder_of(info.context) / value if isinstance(value, str | Path) and str(value) else value


LocalPath = Annotated[Path, BeforeValidator(_resolve)]
"""A file's path; a relative one starts at the folder of the configuration file that names it."""
