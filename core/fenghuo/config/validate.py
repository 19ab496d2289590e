"""A tree of YAML → a valid section, or pydantic's errors."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fenghuo.config.document import Tree
from fenghuo.config.section import Section

Model = TypeVar("Model", bound=Section)


def validate(
    tree: Tree, model: type[Model], *, folder: Path | None = None
) -> tuple[Model | None, list[ErrorDetails], dict[int, list[type[Section]]]]:
    """The section, or the errors; and which mappings were tried as which sections, for the words of the errors.

    A scalar at which text is wanted is tried again as it was written. Relative paths start at `folder`.
    """
    while True:
        seen: dict[int, list[type[Section]]] = {}
        context = {"sections": seen} if folder is None else {"sections": seen, "folder": folder}
        try:
            return model.model_validate(tree.data(), context=context), [], seen
        except ValidationError as error:
            errors = error.errors(include_url=False)
        changed = [_take_as_written(tree, details) for details in errors]
        if not any(changed):
            return None, errors, seen


def _take_as_written(tree: Tree, error: ErrorDetails) -> bool:
    """Where `error` asks for text at a scalar that YAML read as a number or a truth, put its text there."""
    if error["type"] not in ("string_type", "literal_error", "enum", "path_type", "secret_path"):
        return False
    node = tree
    for segment in error["loc"]:
        children = node.children or {}
        node = children.get(str(segment)) or children.get(f"{segment}_file") or node
    if node.children is not None or node.text is None or isinstance(node.value, str):
        return False
    node.value = node.text
    return True
