"""What a Sigma document says of itself: checked by pySigma, completed by us."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID, uuid5

from sigma.exceptions import SigmaError
from sigma.rule.rule import SigmaRule  # pyright: ignore[reportMissingTypeStubs] — its types are inline, only this package lacks the mark

from fenghuo.config.words import printable
from fenghuo.rules.sigma.documents import Frame, Wrong

_OURS = UUID("5b0ad8e6-6d1f-5b0e-9d3f-5c0f8c1b7a11")
"""The namespace of the ids that we give to documents without one."""
_LONGEST_TITLE = 200
_LONGEST_NAME = 100
_LONGEST_TEXT = 8_000
_KEY_OF = {
    "Identifier": "id",
    "Name": "name",
    "Taxonomy": "taxonomy",
    "Related": "related",
    "Level": "level",
    "Status": "status",
    "Tag": "tags",
    "Date": "date",
    "Modified": "modified",
    "Fields": "fields",
    "FalsePositives": "falsepositives",
    "Author": "author",
    "Description": "description",
    "References": "references",
    "Title": "title",
    "Scope": "scope",
    "License": "license",
    "Value": "tags",
    "Type": "name",
}


def read_frame(data: Mapping[str, Any]) -> tuple[Frame, list[Wrong]]:
    """The frame, and what is wrong with it; where something is, the frame is only good to name the document by."""
    data = {key: value for key, value in data.items() if value is not None}
    given = dict(data)
    for key in ("falsepositives", "references", "fields"):
        if isinstance(given.get(key), str):
            given[key] = [given[key]]
    if not isinstance(given.get("id", ""), str):
        given["id"] = str(given["id"])
    try:
        _, errors = SigmaRule.from_dict_common_params(given, collect_errors=True)
    except (SigmaError, ValueError, TypeError, AttributeError) as error:
        errors = [error]
    wrong = [Wrong(str(error.args[0] if error.args else error)[:300], _path_of(error, data)) for error in errors]
    return _frame(given, text_of(data.get("id", ""))), wrong


def _path_of(error: Exception, data: Mapping[str, Any]) -> tuple[str, ...]:
    name = type(error).__name__.removeprefix("Sigma").removesuffix("Error")
    key = _KEY_OF.get(name, "")
    return (key,) if key in data else ()


def text_of(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _frame(data: Mapping[str, Any], id_: str) -> Frame:
    title = printable(" ".join(text_of(data.get("title")).split()))[:_LONGEST_TITLE]
    written = text_of(data.get("name"))
    status = text_of(data.get("status")).lower()
    level = text_of(data.get("level")).lower()
    return Frame(
        id=_uuid(id_) or made_id(written or title),
        title=title,
        name=slug(written or title),
        written=written,
        level=level if level in ("informational", "low", "medium", "high", "critical") else "medium",
        status=status if status in ("stable", "test", "experimental", "deprecated", "unsupported") else "stable",
        description=text_of(data.get("description"))[:_LONGEST_TEXT],
        author=text_of(data.get("author"))[:_LONGEST_TEXT],
        date=text_of(data.get("date")),
        modified=text_of(data.get("modified")),
        license=text_of(data.get("license")),
        references=_texts(data.get("references")),
        tags=_texts(data.get("tags")),
        falsepositives=_texts(data.get("falsepositives")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return tuple(text_of(item)[:_LONGEST_TEXT] for item in items if text_of(item))


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def made_id(text: str) -> str:
    """The id of a document without one: the same as long as its name (its title where it has no name) is."""
    return str(uuid5(_OURS, text))


def id_of_content(data: Mapping[str, Any]) -> str:
    """The same for documents that are named alike."""
    return made_id(json.dumps(data, sort_keys=True, ensure_ascii=False, default=str))


def slug(text: str) -> str:
    """A rule's name as ours are: small letters, digits, hyphens and dots."""
    name = re.sub(r"[^a-z0-9.]+", "-", text.lower())
    name = re.sub(r"[.-]*\.[.-]*", ".", name).strip(".-")
    return name[:_LONGEST_NAME].rstrip(".-") or "sigma"
