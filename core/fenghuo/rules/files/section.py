"""The keys of a rule file: the frame (Sigma's, and what we add) and what all kinds share.

Each kind adds the keys of its body (`fenghuo.rules.kinds`). Editors' JSON Schema and the reference come from here.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fenghuo.config import Duration, Section
from fenghuo.model import Level
from fenghuo.rules.files.shorthand import OneOrMany, as_list
from fenghuo.rules.runtime.schedule import ScheduleSection


def _as_texts(value: Any) -> Any:
    """As `as_list`, and `true` and `false` as they are written: `dns.question.name|exists: false`."""
    if isinstance(value, list):
        return [_truth(item) for item in cast("list[Any]", value)]
    return [_truth(value)] if isinstance(value, bool) else as_list(value)


def _truth(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def like(pattern: str, wanted: str) -> BeforeValidator:
    """Says what is wanted where a text has not the form that `pattern` asks for, rather than the pattern."""
    form = re.compile(pattern)

    def read(value: Any) -> Any:
        if isinstance(value, str) and not form.fullmatch(value):
            raise ValueError(f"expected {wanted}")
        return value

    return BeforeValidator(read)


Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")]
Text = Annotated[str, StringConstraints(max_length=8_000)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
FieldName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_@][A-Za-z0-9_@-]*(\.[A-Za-z0-9_@-]+)*$", max_length=200)
]
"""A label or value of readings, or an ECS field by its dotted name."""
FieldTest = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_@][A-Za-z0-9_@-]*(\.[A-Za-z0-9_@-]+)*(\|[a-z0-9_]+)*$", max_length=250),
]
"""A field with Sigma's modifiers: `source.ip|cidr`."""
RuleName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=100),
    like(
        r"[a-z0-9]+([.-][a-z0-9]+)*", "small letters and digits with dots and hyphens between, e.g. network.port-down"
    ),
]
RuleId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    like(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "a UUID in small letters; python3 -c 'import uuid; print(uuid.uuid4())' makes one",
    ),
]
Pattern = Annotated[str, StringConstraints(max_length=256)]
Patterns = Annotated[
    list[Pattern],
    BeforeValidator(_as_texts),
    Field(min_length=1, max_length=1_000),
    OneOrMany("number", "boolean"),
]
Matches = Annotated[dict[FieldTest, Patterns], Field(max_length=32)]
Rarely = Annotated[int, Field(ge=2, le=1_000)]


class Bilingual(Section):
    """A text in both languages."""

    en: Text = Field(description="In English.")
    zh: Text = Field(description="In Chinese.")


class Party(Section):
    """Which labels or fields name the party."""

    ip: FieldName | None = Field(default=None, description="The label or field that holds its address.")
    mac: FieldName | None = Field(default=None, description="The label or field that holds its MAC address.")
    name: FieldName | None = Field(default=None, description="The label or field that holds its name.")


class Flap(Section):
    """When an alert that comes and goes is held."""

    changes: Rarely = Field(
        default=6, description="So many changes (fired or resolved) within `window` make it flapping."
    )
    window: Duration = Field(default=1800, description="The span in which changes are counted.")
    hold: Duration = Field(default=900, description="A flapping alert is resolved once it was clear for so long.")


class Suppression(Section):
    """Which rules hold this one back."""

    rules: Annotated[list[RuleName], BeforeValidator(as_list), OneOrMany()] = Field(
        description="Names of rules: while one of them is pending or fires for the same labels, this one waits.",
        min_length=1,
    )
    by: Annotated[list[FieldName], BeforeValidator(as_list), OneOrMany()] = Field(
        default=["device"], description="The labels that must be the same.", min_length=1, max_length=8
    )


def _as_spacing(value: Any) -> Any:
    return {"every": value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value


class _SpanOrMore:
    """Says in the JSON Schema what `_as_spacing` does: a span of time may stand for `every`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        full = handler(schema)
        every = handler.resolve_ref_schema(full)["properties"]["every"]
        return {"anyOf": [{key: value for key, value in every.items() if key != "description"}, full]}


class SpacingSection(Section):
    """The time between two tellings."""

    every: Annotated[Duration, Field(gt=0, le=2_678_400)] = Field(description="The time between two of them.")
    up_to: Annotated[Duration, Field(gt=0, le=2_678_400)] | None = Field(
        default=None,
        description="With it the time doubles with each, up to so much; it falls back once it was quiet for so long.",
    )


Spacings = Annotated[SpacingSection, BeforeValidator(_as_spacing), _SpanOrMore()]


class Limits(Section):
    """The bounds of a rule's memory."""

    groups: int = Field(
        default=10_000, ge=1, le=1_000_000, description="The most entities that are pending or fire at once."
    )
    alerts: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="The most alerts that are told a minute; what is held back is counted in the next.",
    )
    events: int = Field(
        default=10_000, ge=1, le=1_000_000, description="The most observations that are kept of an entity's window."
    )
    values: int = Field(
        default=10_000, ge=1, le=1_000_000, description="The most different values that are kept of an entity."
    )


class Expected(Section):
    """An alert step that a test expects. Other keys are labels of the alert, with dots or underscores."""

    model_config = ConfigDict(extra="allow")

    at: Duration = Field(description="When, from the start of the test.")
    state: Literal["firing", "resolved"] = Field(default="firing", description="Which step.")
    level: Level | None = Field(default=None, description="Its level.")
    value: float | None = Field(default=None, description="Its value.")
    message: Text | None = Field(default=None, description="Its whole message.")
    message_zh: Text | None = Field(default=None, description="Its whole message in Chinese.")
    rule: RuleName | None = Field(default=None, description="The name of the rule; this one where it is not said.")
    group: dict[FieldName, Any] | None = Field(
        default=None, description="All labels of the alert but those that the rule adds; nothing else."
    )
    events: list[str] | None = Field(
        default=None, description="The ids of the events that made it, oldest first.", max_length=100
    )
    count: int | None = Field(default=None, ge=0, description="How many events made it.")
    first: Duration | None = Field(default=None, description="When the oldest event that it names happened.")
    last: Duration | None = Field(default=None, description="When the newest event that it names happened.")


Moments = Annotated[list[Duration], BeforeValidator(as_list), Field(min_length=1, max_length=10_000), OneOrMany()]


class Growth(Section):
    """A counter that grows evenly."""

    start: int = Field(default=0, ge=0, description="Its first value.")
    rate: float = Field(description="Its growth per second.")
    bits: Literal[32, 64] = Field(default=64, description="Its width; it wraps there.")


class Count(Section):
    """Numbers in turn, within a text where `format` is said."""

    range: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(description="The first and the last.")
    format: Annotated[str, StringConstraints(max_length=200)] = Field(
        default="", description="A text in which `{}` stands for the number, e.g. `10.0.0.{}`."
    )


class ToldAlert(Section):
    """A step of another rule's alert. Other keys are its labels, with dots or underscores."""

    model_config = ConfigDict(extra="allow")

    rule: RuleName = Field(description="The name of the rule.")
    state: Literal["firing", "resolved"] = Field(default="firing", description="Which step.")
    level: Level = Field(default="medium", description="Its level.")
    value: float | None = Field(default=None, description="Its value.")


class RuleTestInput(Section):
    """What comes in a test: readings, events (`event`), alerts of other rules (`alert`), a restart.

    Other keys are labels (text) and values (numbers, lists of numbers in turn, or a counter) of readings.
    """

    model_config = ConfigDict(extra="allow")

    at: Moments | None = Field(
        default=None, description="When, from the start of the test: a moment or a list of them."
    )
    every: Annotated[Duration, Field(gt=0)] | None = Field(default=None, description="Again and again, so far apart.")
    since: Duration = Field(default=0, description="With `every`: the first time.")
    until: Duration | None = Field(default=None, description="With `every`: the last time.")
    arrives: Duration | None = Field(
        default=None, description="When it arrives, where that is later than its own time."
    )
    event: dict[str, Any] | None = Field(
        default=None, description="An event: ECS fields, nested or with dots; the dataset is the rule's if not said."
    )
    vary: dict[FieldName, list[Any] | Count] = Field(
        default={},
        description="Fields of the event that differ from one to the next: values in turn, again from the first after the last.",
        max_length=16,
    )
    id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The event's id; `e1`, `e2`, … in the order in which all are written if not said. With several times a number is put behind it.",
    )
    alert: ToldAlert | None = Field(default=None, description="A step of another rule's alert.")
    measurement: Label | None = Field(default=None, description="The measurement; the rule's own where it is not said.")
    ended: bool = Field(default=False, description="The series end here.")
    restart: bool = Field(default=False, description="The engine is stopped and started again from its snapshot.")


class RuleTest(Section):
    """A test of a rule on a virtual clock."""

    title: Line = Field(description="What it shows, as a sentence.")
    input: list[RuleTestInput] = Field(description="What comes, with relative times.", max_length=1_000)
    expect: list[Expected] = Field(description="All alert steps that come, in order; [] for none.", max_length=1_000)
    run: Duration | None = Field(
        default=None, description="How long the test lasts; until the last that comes if not said."
    )


class RuleSection(Section):
    """What every rule may say."""

    title: Line = Field(description="What is wrong when it fires, in a few words.")
    title_zh: Annotated[str, StringConstraints(max_length=200)] = Field(default="", description="The title in Chinese.")
    id: RuleId = Field(description="A UUID that the rule keeps for ever.")
    name: RuleName = Field(description="A short name, e.g. `environment.server-room-hot`.")
    status: Literal["stable", "test", "experimental", "deprecated", "unsupported"] = Field(
        default="stable", description="How mature it is."
    )
    description: Text = Field(default="", description="What it watches and why.")
    description_zh: Text = Field(default="", description="The description in Chinese.")
    references: list[Text] = Field(default=[], description="Where to read more.")
    author: Text = Field(default="", description="Who wrote it.")
    date: Text = Field(default="", description="When it was written.")
    modified: Text = Field(default="", description="When it was changed last.")
    license: Text = Field(default="", description="Its licence, an SPDX identifier.")
    tags: list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+(\.[a-z0-9._-]+)+$", max_length=100)]] = Field(
        default=[],
        description="`attack.t1557.002` (ATT&CK technique), `mlps.8.1.1.8` (clause of GB/T 22239-2019), others.",
    )
    level: Level | dict[Level, Expression] = Field(
        default="medium",
        description="One level, or levels with the condition of each; the highest that is true counts.",
    )
    falsepositives: list[Text] = Field(default=[], description="When it fires though nothing is wrong.")
    falsepositives_zh: list[Text] = Field(default=[], description="The same in Chinese.")
    enabled: bool = Field(default=True, description="False: an opt-in rule, which runs once an overlay enables it.")
    runs: Literal["agent", "collector"] = Field(
        default="agent", description="Where it runs; a rule of the collector sees all agents."
    )
    measurement: Label | None = Field(default=None, description="Only readings of this measurement, e.g. `interface`.")
    where: Matches = Field(
        default={},
        description="Only what matches: a label or field (with modifiers: `source.ip|cidr`) and its texts, with the wildcards * and ?.",
    )
    exceptions: list[Matches] = Field(
        default=[], description="But nothing that matches one of these.", max_length=1_000
    )
    group_by: list[FieldName] | None = Field(
        default=None,
        description="The labels or fields that tell entities apart; all labels of a reading, none of an event if not said.",
        max_length=16,
    )
    stale: Duration = Field(
        default=900, description="How long a reading speaks for; a hold time bridges no longer silence."
    )
    lateness: Duration = Field(
        default=0,
        le=3600,
        description="Hold readings back for so long, to judge those that arrive out of order in order.",
    )
    flap: Flap | Literal[False] = Field(
        default=Flap(), description="When an alert that comes and goes is held; false: never."
    )
    schedule: ScheduleSection | None = Field(
        default=None, description="When it may begin to fire: `{only: [school-hours], except: [{dates: 2026-06-07}]}`."
    )
    suppress_if: Suppression | None = Field(default=None, description="Rules that hold this one back.")
    throttle: Spacings | None = Field(
        default=None,
        description="So long at least between two tellings that one entity fires, e.g. `10m` or `{every: 10m, up_to: 4h}`; what is held back is counted in the next.",
    )
    repeat: Spacings | None = Field(
        default=None, description="What goes on firing is told again so often, e.g. `1h` or `{every: 1h, up_to: 8h}`."
    )
    limits: Limits = Field(default=Limits(), description="The bounds of its memory.")
    labels: dict[Label, Line] = Field(
        default={}, description="Labels that every alert of the rule gets.", max_length=16
    )
    message: Text = Field(
        default="", description="Template: `{device} at {value:.1f} °C for {for}`; the title if not said."
    )
    message_zh: Text = Field(default="", description="The template in Chinese.")
    message_resolved: Text = Field(
        default="", description="The template when it is over; the title and that it is over if not said."
    )
    message_resolved_zh: Text = Field(default="", description="The same in Chinese.")
    runbook: Bilingual | None = Field(default=None, description="What to do.")
    culprit: Party = Field(default=Party(), description="The labels that name who causes it.")
    victim: Party = Field(default=Party(), description="The labels that name who suffers.")
    tests: list[RuleTest] = Field(default=[], description="Tests, run by `fenghuo rules test`.", max_length=200)
