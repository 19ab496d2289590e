"""Secrets: values that are used but never shown, given in place or by the name of a file that holds them."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

MASK = "**********"
FILE_SUFFIX = "_file"
MAX_SECRET_BYTES = 64 * 1024


class Secret:
    """A text that shows itself as asterisks everywhere (str, repr, logs, dumps, JSON); `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "minLength": 1, "format": "password", "writeOnly": True}


@dataclass(frozen=True, slots=True)
class FromFile:
    """Stands for a secret that was given as `<name>_file`; `both` where `<name>` was given as well."""

    path: Any
    both: bool = False


def point_to_files(data: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """`data` with each `<key>_file` turned into `<key>: FromFile(…)`; `secrets` is the file key → the key."""
    result = dict(data)
    for file_key, key in secrets.items():
        if file_key in result:
            result[key] = FromFile(result.pop(file_key), both=key in data)
    return result


def _validate(value: Any, info: core_schema.ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, FromFile):
        return _read(value, folder_of(info.context))
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected text")
    if not value:
        raise PydanticCustomError("secret_empty", "the secret is empty")
    return Secret(value)


def folder_of(context: Any) -> Path:
    """The folder that relative paths start at: that of the file being loaded, else the working folder."""
    if isinstance(context, Mapping):
        folder = cast("Mapping[str, object]", context).get("folder")
        if isinstance(folder, Path):
            return folder
    return Path()


def _read(source: FromFile, folder: Path) -> Secret:
    if source.both:
        raise PydanticCustomError("secret_both", "give the secret in place or by file, not both")
    if not isinstance(source.path, str | Path) or not str(source.path):
        raise PydanticCustomError("secret_path", "expected the name of a file")
    try:
        with (folder / source.path).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        raise PydanticCustomError(
            "secret_file", "cannot read the file {path}: {reason}", {"path": str(source.path), "reason": reason}
        ) from None
    return Secret(_text(content, str(source.path)))


def _text(content: bytes, path: str) -> str:
    if len(content) > MAX_SECRET_BYTES:
        raise PydanticCustomError("secret_file", "the file {path} is too long for a secret", {"path": path})
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise PydanticCustomError("secret_file", "the file {path} is not UTF-8 text", {"path": path}) from None
    if not text:
        raise PydanticCustomError("secret_file", "the file {path} is empty", {"path": path})
    return text
