"""The pipeline file: which events a Sigma log source means, and what its fields are called in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from fenghuo.config import document
from fenghuo.config.document import MAX_BYTES
from fenghuo.config.plain import Unusual, read_plain
from fenghuo.errors import Located, Place, Problem
from fenghuo.rules.detection import Node, WhereError, read_where
from fenghuo.rules.detection.tree import every, some
from fenghuo.rules.sigma.documents import CannotApply

SHIPPED = Path(__file__).parent / "pipelines" / "ecs.yml"
ATTRIBUTES = ("category", "product", "service")
_ANY = "*"
_KEYS = ("pipeline", "description", "fields", "maps", "logsources", "placeholders")
_MAX_VALUES = 10_000

Keys = tuple[str, ...]
LogSource = Mapping[str, str]
"""Category, product and service, those that are said, in lower case."""


@dataclass(frozen=True, slots=True)
class Target:
    """A field of our events. `values`: what the log's values are called there; others are not found there."""

    field: str
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One log source of a pipeline; `of`: attribute → its values, None for any."""

    of: Mapping[str, frozenset[str] | None]
    where: Sequence[Mapping[str, Any]] = ()
    absent: str = ""
    fields: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, "tuple[Target, ...]"])
    below: tuple[str, ...] = ()

    def speaks_of(self, source: LogSource) -> bool:
        """Whether all that it says of a log source is so."""
        return all(key in source and (values is None or source[key] in values) for key, values in self.of.items())

    @property
    def exactness(self) -> tuple[int, int]:
        """How much it says: attributes, and those of them with a value."""
        return len(self.of), sum(values is not None for values in self.of.values())


class Source:
    """A log source, resolved: its events and its fields."""

    def __init__(
        self, where: Node, entries: Sequence[Entry], common: Mapping[str, tuple[Target, ...]], names: LogSource
    ) -> None:
        self.where = where
        self._maps = [*(entry.fields for entry in entries), common]
        self._below = tuple(dict.fromkeys(_filled(prefix, names) for entry in entries for prefix in entry.below))
        self._found: dict[str, tuple[Target, ...]] = {}

    def targets(self, name: str) -> tuple[Target, ...]:
        """Where a field of a rule is found: under ECS's names, under the log's own, below the module's own section."""
        found = self._found.get(name)
        if found is None:
            mapped = next((fields[name] for fields in self._maps if name in fields), ())
            others = (Target(name), *(Target(f"{prefix}.{name}") for prefix in self._below))
            known = {target.field for target in mapped if target.values is None}
            found = (*mapped, *(target for target in others if target.field not in known))
            self._found[name] = found
        return found

    def names(self, name: str) -> tuple[str, ...]:
        """The fields that hold a field's own value, the likeliest first."""
        return tuple(target.field for target in self.targets(name) if target.values is None)


class Pipelines:
    """Several pipelines as one; what the first says goes before what later ones say."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        self._pipelines = tuple(pipelines)
        self._entries = [entry for pipeline in self._pipelines for entry in pipeline.entries]
        self._fields = {name: targets for one in reversed(self._pipelines) for name, targets in one.fields.items()}
        self.placeholders = {
            key: values for one in reversed(self._pipelines) for key, values in one.placeholders.items()
        }
        self._sources: dict[tuple[tuple[str, str], ...], Source | CannotApply] = {}

    def source(self, logsource: LogSource) -> Source:
        """CannotApply where no input produces such events."""
        key = tuple(sorted(logsource.items()))
        found = self._sources.get(key)
        if found is None:
            try:
                found = self._resolve(logsource)
            except CannotApply as error:
                found = error
            self._sources[key] = found
        if isinstance(found, CannotApply):
            raise found
        return found

    @property
    def plain(self) -> Source:
        """For rules whose fields are ECS's already (`taxonomy: ecs`), of any source."""
        return Source(every(()), (), {}, {})

    def with_plain_fields(self, logsource: LogSource) -> Source:
        """The events of a log source, with fields as they stand."""
        return Source(self.source(logsource).where, (), {}, {})

    def _resolve(self, logsource: LogSource) -> Source:
        speaking = [entry for entry in self._entries if entry.speaks_of(logsource)]
        # `max` and `sorted` keep the first of equals: a site's pipeline goes before the shipped one.
        speaking.sort(key=lambda entry: entry.exactness, reverse=True)
        best = speaking[0] if speaking else None
        exact = best is not None and len(best.of) == len(logsource)
        if best is None or not exact or best.absent:
            absent = next((entry.absent for entry in speaking if entry.absent), "")
            covered = {key for entry in speaking if not entry.absent for key in entry.of}
            if absent or covered != set(logsource):
                raise CannotApply(_absence(logsource, absent))
        chosen = [best] if exact and best is not None else _widest(speaking)
        where = every(self._where(entry, logsource) for entry in chosen)
        return Source(where, [entry for entry in speaking if not entry.absent], self._fields, logsource)

    @staticmethod
    def _where(entry: Entry, logsource: LogSource) -> Node:
        return some(read_where(_filled(mapping, logsource)) for mapping in entry.where)


@dataclass(frozen=True)
class Pipeline:
    """What one file says."""

    entries: Sequence[Entry] = ()
    fields: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, "tuple[Target, ...]"])
    placeholders: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])


@cache
def shipped() -> Pipeline:
    """The pipeline that comes with Fenghuo."""
    return read_pipeline(SHIPPED)


def _widest(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that together say all, none of which another says already."""
    chosen: list[Entry] = []
    covered: set[str] = set()
    for entry in entries:
        if not entry.absent and not set(entry.of) <= covered:
            chosen.append(entry)
            covered |= set(entry.of)
    return chosen


def label_of(logsource: LogSource) -> str:
    """`windows/process_creation`."""
    return "/".join(logsource[key] for key in ("product", "category", "service") if key in logsource)


def _absence(logsource: LogSource, why: str) -> str:
    said = f"no input of Fenghuo produces {label_of(logsource)} events"
    return f"{said}: {why}" if why else f"{said}, and no pipeline file maps them"


def _filled(value: Any, names: LogSource) -> Any:
    """`{service}` and its like, put in."""
    if isinstance(value, str):
        if "{" in value:
            for key in ATTRIBUTES:
                value = value.replace(f"{{{key}}}", names.get(key, ""))
        return value
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: _filled(each, names) for key, each in mapping.items()}
    if isinstance(value, list):
        return [_filled(each, names) for each in cast("list[Any]", value)]
    return value


Say = Callable[[Keys, str, str], None]
"""Notes what is wrong at a path, with a hint."""


def read_pipeline(file: Path) -> Pipeline:
    """Raises Located with all that is wrong with the file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Located([Problem(Place(str(file)), f"cannot read the file: {error.strerror or error}")]) from None
    try:
        data = read_plain(content).data
    except Unusual:
        tree, found, _ = document.read(content, str(file), None)
        if found:
            raise Located(found) from None
        data = tree.data()
    problems: list[Problem] = []

    def say(path: Keys, message: str, hint: str) -> None:
        problems.append(Problem(Place(str(file), *place_in(content, path)), message, hint))

    pipeline = pipeline_of(data, file.parent, say)
    if problems:
        raise Located(problems)
    return pipeline


def pipeline_of(data: Any, folder: Path, say: Say) -> Pipeline:
    """A pipeline from its data; lists of placeholders lie in `folder`."""
    return _PipelineReader(data, folder, say).pipeline()


class _PipelineReader:
    """Plain data → a pipeline."""

    def __init__(self, data: Any, folder: Path, say: Say) -> None:
        self._data = data
        self._folder = folder
        self._told = say

    def pipeline(self) -> Pipeline:
        data = self._mapping(self._data, ())
        for key in data:
            if key not in _KEYS:
                self._say(
                    (key,),
                    f"unknown key {key[:60]!r}",
                    f"allowed: {', '.join(_KEYS)}",
                )
        maps = {
            name: self._fields(fields, ("maps", name))
            for name, fields in self._mapping(data.get("maps"), ("maps",)).items()
        }
        entries = [
            entry
            for number, item in enumerate(self._list(data.get("logsources"), ("logsources",)))
            if (entry := self._entry(item, ("logsources", str(number)), maps)) is not None
        ]
        fields = self._fields(data.get("fields"), ("fields",))
        return Pipeline(entries, fields, self._placeholders(data.get("placeholders")))

    def _entry(self, item: Any, path: Keys, maps: Mapping[str, Mapping[str, tuple[Target, ...]]]) -> Entry | None:
        data = self._mapping(item, path)
        for key in data:
            if key not in ("logsource", "where", "absent", "uses", "fields", "below"):
                self._say(
                    (*path, key), f"unknown key {key[:60]!r}", "allowed: logsource, where, absent, uses, fields, below"
                )
        of: dict[str, frozenset[str] | None] = {}
        for key, value in self._mapping(data.get("logsource"), (*path, "logsource")).items():
            if key not in ATTRIBUTES:
                self._say(
                    (*path, "logsource", key), f"unknown attribute {key[:60]!r}", f"allowed: {', '.join(ATTRIBUTES)}"
                )
            of[key] = (
                None
                if value == _ANY
                else frozenset(text.lower() for text in self._texts(value, (*path, "logsource", key)))
            )
        if not of:
            self._say(path, "it names no logsource")
            return None
        where = [self._mapping(each, (*path, "where")) for each in self._list(data.get("where"), (*path, "where"))]
        absent = data.get("absent") or ""
        if not isinstance(absent, str) or bool(absent) == bool(where):
            self._say(path, "it needs either `where` (the events) or `absent` (why there are none)")
            return None
        for each in where:
            self._try(each, (*path, "where"))
        fields = dict(self._fields(data.get("fields"), (*path, "fields")))
        for number, name in enumerate(self._texts(data.get("uses") or [], (*path, "uses"))):
            if name not in maps:
                self._say((*path, "uses", str(number)), f"there is no map {name[:60]!r}", f"allowed: {', '.join(maps)}")
            fields = {**maps.get(name, {}), **fields}
        return Entry(of, where, absent, fields, tuple(self._texts(data.get("below") or [], (*path, "below"))))

    def _try(self, where: Mapping[str, Any], path: Keys) -> None:
        try:
            read_where(where)
        except WhereError as error:
            self._say((*path, error.key), str(error), error.hint)
        except ValueError as error:
            self._say(path, str(error))

    def _fields(self, value: Any, path: Keys) -> Mapping[str, tuple[Target, ...]]:
        return {
            name: tuple(
                self._target(one, (*path, name))
                for one in (cast("list[Any]", said) if isinstance(said, list) else [said])
            )
            for name, said in self._mapping(value, path).items()
        }

    def _target(self, value: Any, path: Keys) -> Target:
        if isinstance(value, str) and value:
            return Target(value)
        data: Mapping[str, Any] = cast("Any", value) if isinstance(value, Mapping) else {}
        name, values = data.get("field"), data.get("values")
        if not isinstance(name, str) or not isinstance(values, Mapping) or set(data) != {"field", "values"}:
            self._say(path, "expected the name of a field, or {field, values}")
            return Target("")
        mapping = cast("Mapping[str, Any]", values)
        return Target(name, {key.lower(): str(each) for key, each in mapping.items()})

    def _placeholders(self, value: Any) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name, said in self._mapping(value, ("placeholders",)).items():
            path = ("placeholders", name)
            if isinstance(said, Mapping):
                found[name] = self._from_file(cast("Mapping[str, Any]", said), path)
            else:
                found[name] = tuple(self._texts(said, path))
        return found

    def _from_file(self, said: Mapping[str, Any], path: Keys) -> tuple[str, ...]:
        """One value a line; empty lines and those that begin with # are no values."""
        name = said.get("file")
        if not isinstance(name, str) or set(said) != {"file"}:
            self._say(path, "expected a list of texts, or {file: NAME}")
            return ()
        try:
            with (self._folder / name).open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
            lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
        except (OSError, ValueError) as error:
            self._say((*path, "file"), f"cannot read the list: {getattr(error, 'strerror', None) or error}")
            return ()
        values = tuple(line for line in lines if line and not line.startswith("#"))
        if len(values) > _MAX_VALUES or len(content) > MAX_BYTES:
            self._say((*path, "file"), f"a list of more than {_MAX_VALUES} values")
            return ()
        return values

    def _mapping(self, value: Any, path: Keys) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._say(path, "expected a mapping")
            return {}
        return cast("Mapping[str, Any]", value)

    def _list(self, value: Any, path: Keys) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._say(path, "expected a list")
            return []
        return cast("list[Any]", value)

    def _texts(self, value: Any, path: Keys) -> list[str]:
        items = cast("list[Any]", value) if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int) and item != "" for item in items):
            self._say(path, "expected a text or a list of texts")
            return []
        return [str(item) for item in items]

    def _say(self, path: Keys, message: str, hint: str = "") -> None:
        label = ".".join(path)
        self._told(path, f"{label}: {message}" if label else message, hint)


def place_in(content: bytes, path: Sequence[str]) -> tuple[int, int]:
    """Line and column of the value at a path; of the last key on the way that there is."""
    tree = document.read(content, "", None)[0]
    found = (tree.line, tree.column)
    for key in path:
        children = tree.children or {}
        if key not in children:
            break
        found = tree.keys.get(key, found) if not tree.is_list else (children[key].line, children[key].column)
        tree = children[key]
    return found
