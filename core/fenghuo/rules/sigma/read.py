"""A set of Sigma documents → rules, what cannot apply here and why, what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as File
from typing import Any, cast

from fenghuo.config.words import suggest
from fenghuo.errors import Located, Problem
from fenghuo.rules.detection import Node
from fenghuo.rules.detection.tree import every, simplify
from fenghuo.rules.sigma.correlate import Correlator
from fenghuo.rules.sigma.correlations import read_section
from fenghuo.rules.sigma.detections import read_detection
from fenghuo.rules.sigma.documents import CannotApply, Detected, Path, SigmaDocument, SigmaResult, Wrong
from fenghuo.rules.sigma.frame import id_of_content, made_id, read_frame, text_of
from fenghuo.rules.sigma.members import Member, references
from fenghuo.rules.sigma.pipeline import (
    ATTRIBUTES,
    LogSource,
    Pipeline,
    Pipelines,
    Source,
    pipeline_of,
    read_pipeline,
    shipped,
)
from fenghuo.rules.sigma.values import ItemReader

_SPELLED_AS_ECS = ("ecs",)
_OLD_COLLECTION = "it is part of a collection (`action: {}`), which Sigma 2 has no more"


class SetReader:
    """Reads a set of documents. `problems`: what is wrong with its pipelines."""

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        placeholders: Mapping[str, Sequence[str]],
        known: Iterable[str],
        problems: Sequence[Problem] = (),
    ) -> None:
        self._pipelines = Pipelines([*pipelines, shipped()])
        self._placeholders = {**self._pipelines.placeholders, **placeholders}
        self._known = frozenset(known)
        self._problems = list(problems)

    @classmethod
    def of(
        cls,
        documents: Iterable[SigmaDocument],
        files: Iterable[File],
        placeholders: Mapping[str, Sequence[str]],
        known: Iterable[str],
    ) -> SetReader:
        """With the pipelines among these documents, then those of these files, then the shipped one."""
        pipelines: list[Pipeline] = []
        problems: list[Problem] = []
        for each in documents:

            def say(path: Path, message: str, hint: str, of: SigmaDocument = each) -> None:
                problems.append(Problem(of.at(path), message, hint))

            if "pipeline" in each.data:
                pipelines.append(pipeline_of(each.data, File(each.place.file).parent, say))
        for file in files:
            try:
                pipelines.append(read_pipeline(file))
            except Located as error:
                problems += error.problems
        return cls(pipelines, placeholders, known, problems)

    def read(self, documents: Sequence[SigmaDocument]) -> SigmaResult:
        """As `fenghuo.rules.sigma.read_sigma`."""
        found = [Member(each, *read_frame(each.data)) for each in documents if "pipeline" not in each.data]
        _mark_old_collections(found)
        _tell_apart(found, self._known)
        rules = [each for each in found if _kind(each) == "detection"]
        for document in rules:
            document.attempt(self._detect, in_any_case=True)
        for document in found:
            if _kind(document) == "filter":
                document.attempt(lambda each: self._filter(each, rules), in_any_case=True)
        correlations = [each for each in found if _kind(each) == "correlation"]
        for document in correlations:
            document.attempt(_section, in_any_case=True)
        Correlator(found, self._known).run(correlations)
        for document in found:
            _excuse(document)
        return self._result(found)

    def native(self, logsource: LogSource, detection: Mapping[str, Any]) -> Node:
        """The condition of a rule of our own."""
        source = self._pipelines.source(logsource) if logsource else self._pipelines.plain
        node, wrong = read_detection(detection, ("detection",), ItemReader(source.targets, self._placeholders))
        if wrong:
            raise wrong[0]
        return simplify(every((source.where, node)))

    def _result(self, found: Sequence[Member]) -> SigmaResult:
        return SigmaResult(
            rules=[each.made for each in found if each.is_well and each.made is not None],
            inapplicable=[each.unloaded(each.reason) for each in found if each.reason and not each.wrong],
            refused=[each.unloaded(str(each.problems()[0].message)) for each in found if each.wrong],
            problems=[*self._problems, *(problem for each in found for problem in each.problems())],
        )

    # Rules

    def _detect(self, document: Member) -> None:
        document.logsource = _logsource(document.data)
        detection = _section_of(document.data, "detection")
        items = ItemReader(self._pipelines.plain.targets, self._placeholders)
        reason = ""
        try:
            document.fields = self._source(document)
            items = ItemReader(document.fields.targets, self._placeholders)
        except CannotApply as error:
            # What is wrong with it is told nevertheless.
            reason = str(error)
        try:
            node, wrong = read_detection(detection, ("detection",), items)
        except CannotApply as error:
            raise CannotApply(reason or str(error)) from None
        document.wrong += wrong
        if reason and not wrong:
            raise CannotApply(reason)
        if document.fields is not None and document.is_well:
            document.made = Detected(
                frame=document.frame,
                place=document.source.place,
                node=simplify(every((document.fields.where, node))),
                names=document.fields.names,
                logsource=document.logsource,
                fields=_fields_of_interest(document.data, document.fields),
            )

    def _source(self, document: Member) -> Source:
        taxonomy = text_of(document.data.get("taxonomy", "sigma")).lower()
        if taxonomy in _SPELLED_AS_ECS:
            return self._pipelines.with_plain_fields(document.logsource)
        if taxonomy != "sigma":
            raise CannotApply(f"its names are those of the taxonomy {taxonomy[:60]!r}; sigma and ecs are known")
        return self._pipelines.source(document.logsource)

    # Filters

    def _filter(self, document: Member, rules: Sequence[Member]) -> None:
        logsource = _logsource(document.data)
        section = _section_of(document.data, "filter")
        named = _named(section, rules)
        fitting = [each for each in named if logsource.items() <= each.logsource.items() and each.logsource]
        conditions: dict[int, Node] = {}
        applied = 0
        for rule in fitting:
            if not isinstance(rule.made, Detected) or rule.fields is None:
                continue
            if id(rule.fields) not in conditions:
                conditions[id(rule.fields)] = self._condition(document, section, rule.fields)
            if document.wrong:
                return
            rule.made = replace(rule.made, node=simplify(every((rule.made.node, conditions[id(rule.fields)]))))
            applied += 1
        if not applied:
            self._condition(document, section, self._pipelines.plain)
            raise CannotApply(_why_unused(named, fitting))

    def _condition(self, document: Member, section: Mapping[str, Any], fields: Source) -> Node:
        taxonomy = text_of(document.data.get("taxonomy", "sigma")).lower()
        targets = self._pipelines.plain.targets if taxonomy in _SPELLED_AS_ECS else fields.targets
        node, wrong = read_detection(section, ("filter",), ItemReader(targets, self._placeholders))
        document.wrong += wrong
        return node


def _excuse(document: Member) -> None:
    """A rule of which its author says that it cannot be used as it stands is no mistake of whoever loads it."""
    if document.wrong and document.frame.status == "unsupported":
        document.reason = f"its status is unsupported: {document.problems()[0].message}"
        document.wrong.clear()


def _kind(document: Member) -> str:
    return next((key for key in ("correlation", "filter", "detection") if key in document.data), "detection")


def _section(document: Member) -> None:
    document.section = read_section(document.data)


def _section_of(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = data.get(key)
    if not isinstance(section, Mapping):
        raise Wrong("expected a mapping of selections and a condition", (key,) if key in data else ())
    return cast("Mapping[str, Any]", section)


def _logsource(data: Mapping[str, Any]) -> LogSource:
    said = data.get("logsource")
    if not isinstance(said, Mapping):
        raise Wrong(
            "a logsource is missing: category, product or service of the events", ("logsource",) if said else ()
        )
    mapping = cast("Mapping[str, Any]", said)
    found: dict[str, str] = {}
    for key in ATTRIBUTES:
        value = mapping.get(key)
        if value is not None and (not isinstance(value, str | int) or value == ""):
            raise Wrong("expected a text", ("logsource", key))
        if value is not None:
            found[key] = str(value).lower()
    if not found:
        raise Wrong("it needs a category, a product or a service", ("logsource",))
    return found


def _fields_of_interest(data: Mapping[str, Any], source: Source) -> tuple[str, ...]:
    """The fields that its author wants an analyst to see."""
    said = data.get("fields")
    names = cast("list[Any]", said) if isinstance(said, list) else []
    found = [source.names(name)[0] for name in names[:32] if isinstance(name, str) and name]
    return tuple(dict.fromkeys(found))


def _named(section: Mapping[str, Any], rules: Sequence[Member]) -> list[Member]:
    """The rules that a filter names, by id or name; `any`, or an empty list: all of them."""
    said = section.get("rules")
    if said is None:
        raise Wrong("it needs `rules`: ids or names of rules, or any", ("filter",))
    names = cast("list[Any]", said) if isinstance(said, list) else [said]
    if names in ([], ["any"]) or (len(names) == 1 and str(names[0]).lower() == "any"):
        return list(rules)
    known = references(rules)
    found: list[Member] = []
    for number, name in enumerate(names):
        path: Path = ("filter", "rules", str(number)) if isinstance(said, list) else ("filter", "rules")
        if not isinstance(name, str):
            raise Wrong("expected the id or the name of a rule", path)
        if name.lower() not in known:
            raise Wrong(f"no rule has the id or name {name[:60]!r}", path, suggest(name.lower(), known))
        found.append(known[name.lower()])
    return found


def _why_unused(named: Sequence[Member], fitting: Sequence[Member]) -> str:
    if not named:
        return "there is no rule that it could apply to"
    if not fitting:
        return "its logsource is not that of the rules that it names"
    return "the rules that it names cannot apply themselves"


def _mark_old_collections(found: Sequence[Member]) -> None:
    """Documents that are completed by another of the same file (`action: global`) make no rule by themselves."""
    files: dict[str, str] = {}
    for document in found:
        action = text_of(document.data.get("action"))
        file = document.source.place.file
        if action in ("global", "reset", "repeat"):
            files[file] = action
        if file in files:
            document.wrong.clear()
            document.reason = _OLD_COLLECTION.format(files[file])


def _tell_apart(found: Sequence[Member], known: Iterable[str]) -> None:
    """Ids and names of documents that have none of their own are made unlike those of all others."""
    ids = {each.frame.id for each in found if each.data.get("id") is not None}
    names = set(known)
    for document in found:
        frame = document.frame
        if document.data.get("id") is None:
            id_ = frame.id
            if id_ in ids:
                id_ = id_of_content(document.data)
            number = 1
            while id_ in ids:
                number += 1
                id_ = made_id(f"{frame.title}\0{number}")
            ids.add(id_)
            frame = replace(frame, id=id_)
        if frame.name in names:
            frame = replace(frame, name=f"{frame.name[:91].rstrip('.-')}-{frame.id[:8]}")
        names.add(frame.name)
        document.frame = frame
