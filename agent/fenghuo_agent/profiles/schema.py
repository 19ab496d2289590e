"""The form of a profile file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fenghuo.config import Duration, Section
from fenghuo.config.units import format_duration
from fenghuo_agent.profiles.quantities import CONVERSIONS, QUANTITIES

_OID = re.compile(r"\.?[0-2](?:\.\d{1,10}){1,127}")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

State = Literal["ok", "warning", "critical", "unknown"]
Kind = Literal[
    "switch", "router", "firewall", "access-point", "wireless-controller", "gateway", "ups", "pdu", "battery", "environment",
    "printer", "nas", "server", "hypervisor", "camera", "recorder", "phone", "load-balancer", "management", "other",
]  # fmt: skip


def _oid(text: str) -> str:
    if not _OID.fullmatch(text):
        raise ValueError("expected an object identifier such as 1.3.6.1.4.1.2011.2.23")
    return text.removeprefix(".")


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


def _object(text: str) -> str:
    if not _OBJECT.fullmatch(text):
        raise ValueError("an object's name is letters, digits, _ and -")
    return text


def _listed(value: Any) -> Any:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _sources(value: Any) -> Any:
    items = cast("list[Any]", value if isinstance(value, list) else [value])
    return [item if isinstance(item, Mapping) else {"text": item} for item in items]


def _number_in(choices: Mapping[str, object], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {what}: one of {', '.join(choices)}")
        return text

    return AfterValidator(check)


OidText = Annotated[str, AfterValidator(_oid)]
Regex = Annotated[str, AfterValidator(_regex)]
ObjectName = Annotated[str, AfterValidator(_object)]
Scalar = int | float | str
Scalars = Annotated[list[Scalar], BeforeValidator(_listed, json_schema_input_type=Scalar | list[Scalar])]
Texts = Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str])]
Conditions = dict[str, Scalars]


class ObjectBody(Section):
    """A MIB object with the words for its numbers."""

    oid: OidText = Field(description="Its number; ending in `.0` it is a scalar's instance.")
    enum: dict[str, str] = Field(default_factory=dict[str, str], description="Number → word, for names.")


class Source(Section):
    """Where one fact about the device is found."""

    text: str = Field(description="A template over the device's objects, or plain text.")
    pattern: Regex | None = Field(None, description="The first group of this regular expression is the fact.")
    map: dict[str, str] | None = Field(None, description="Text → fact; what is not named is no fact.")
    when: Conditions = Field(default_factory=dict[str, list[Scalar]], description="Conditions on the row.")
    if_: dict[str, Regex] = Field(
        default_factory=dict[str, str], alias="if", description="Object → regular expression that it must match."
    )


Sources = Annotated[list[Source], BeforeValidator(_sources, json_schema_input_type=str | Source | list[str | Source])]


class DeviceBody(Section):
    """Who the device is; each fact by a list of sources, the first that gives a text wins."""

    vendor: Sources = Field(default_factory=list[Source], description="Maker.")
    type: Sources = Field(default_factory=list[Source], description="Kind of device.")
    os: Sources = Field(default_factory=list[Source], description="Operating system or firmware family.")
    model: Sources = Field(default_factory=list[Source], description="Model.")
    version: Sources = Field(default_factory=list[Source], description="Version of the software.")
    serial: Sources = Field(default_factory=list[Source], description="Serial number.")
    name: Sources = Field(default_factory=list[Source], description="Its own name; sysName by default.")
    location: Sources = Field(default_factory=list[Source], description="Where it stands; sysLocation by default.")
    contact: Sources = Field(default_factory=list[Source], description="Whom to ask; sysContact by default.")


class MatchBody(Section):
    """Which devices a profile is for; all that is given must hold."""

    sysObjectID: Annotated[list[OidText], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = Field(  # noqa: N815 — the object's own name
        default_factory=list[str], description="Subtrees of which one holds the device's sysObjectID."
    )
    sysDescr: Regex | None = Field(None, description="Regular expression found in sysDescr.")  # noqa: N815 — as above
    present: Annotated[list[OidText], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = Field(
        default_factory=list[str], description="Subtrees of which one holds an instance."
    )

    @model_validator(mode="after")
    def _says_something(self) -> MatchBody:
        if not (self.sysObjectID or self.sysDescr or self.present):
            raise ValueError("expected sysObjectID, sysDescr or present")
        return self


class Choice(Section):
    """A value that another object decides."""

    object: str = Field(description="The object, perhaps with @….")
    map: dict[str, Scalar] = Field(description="Its value → what it stands for.")


class StateBody(Section):
    """A state with the device's word for it."""

    state: State = Field(description="What it means.")
    text: str = Field("", description="The device's word.")


class StatusBody(Section):
    """An object by which the device judges a value."""

    object: str = Field(description="The object, perhaps with @….")
    states: dict[str, State] = Field(description="Value → state.")


class LimitBody(Section):
    """A limit in a table of limits, whose rows are below the sensor's."""

    object: ObjectName = Field(description="The object that holds it; its index begins with the sensor's.")
    when: Conditions = Field(default_factory=dict[str, list[Scalar]], description="Which of these rows it is.")


class LimitsBody(Section):
    """Limits in the result's unit, or objects that hold them."""

    low_critical: Scalar | LimitBody | None = Field(None, description="At or below it is critical.")
    low: Scalar | LimitBody | None = Field(None, description="At or below it is a warning.")
    high: Scalar | LimitBody | None = Field(None, description="At or above it is a warning.")
    high_critical: Scalar | LimitBody | None = Field(None, description="At or above it is critical.")


class ReadingBody(Section):
    """One thing to read: a column's every row, or a scalar."""

    id: str = Field("", description="By which a profile that extends this one replaces or drops it.")
    drop: bool = Field(False, description="Leave out the inherited entry of this id.")
    value: ObjectName | None = Field(None, description="The object that is read.")
    name: str = Field("", description="Template of the name.")
    scale: float | Choice = Field(1.0, description="Factor, or one by an object's value.")
    precision: str | None = Field(None, description="Object with the number of decimal places in the value.")
    offset: float = Field(0.0, description="Added after scaling.")
    convert: Annotated[str, _number_in(CONVERSIONS, "a conversion")] | None = Field(
        None, description="Conversion after scaling."
    )
    pattern: Regex | None = Field(None, description="For texts: the first group is the value.")
    absent: Scalars = Field(default_factory=list[Scalar], description='Raw values that mean "not available".')
    range: tuple[float, float] | None = Field(None, description="Raw values outside are absent.")
    when: Conditions = Field(default_factory=dict[str, list[Scalar]], description="Rows for which all of these hold.")
    unless: Conditions = Field(
        default_factory=dict[str, list[Scalar]], description="Rows for which none of these hold."
    )
    of: Texts = Field(default_factory=list[str], description="The value is a percentage of the sum of these.")
    inverted: bool = Field(False, description="100 minus that.")
    limits: LimitsBody | None = Field(None, description="Limits.")
    status: StatusBody | None = Field(None, description="Where the device itself judges the value.")
    aggregate: Literal["count", "sum", "max", "min", "avg"] | None = Field(
        None, description="Rows of one name become one value."
    )
    interval: Duration | None = Field(None, gt=0, description="Time between two readings; each poll by default.")
    labels: dict[str, str] = Field(default_factory=dict[str, str], description="Further labels: name → template.")

    @model_validator(mode="after")
    def _whole(self) -> ReadingBody:
        if self.drop:
            if not self.id:
                raise ValueError("drop needs the id of the entry to leave out")
        elif self.value is None:
            raise ValueError("expected `value`: the object that is read")
        return self

    @property
    def period(self) -> str:
        """The interval as people write it."""
        return "" if self.interval is None else format_duration(self.interval)


class SensorBody(ReadingBody):
    """A measurement or a state."""

    quantity: Annotated[str, _number_in(QUANTITIES, "a quantity")] | Choice | None = Field(
        None, description="What is measured."
    )
    states: dict[str, State | StateBody] = Field(
        default_factory=dict[str, State | StateBody], description="For states: value → what it means."
    )

    @model_validator(mode="after")
    def _measures(self) -> SensorBody:
        if not self.drop and self.quantity is None:
            raise ValueError(f"expected `quantity`: one of {', '.join(QUANTITIES)}")
        if self.quantity == "state" and not self.states:
            raise ValueError("a state needs `states`: value → ok, warning, critical or unknown")
        return self


class MetricBody(Section):
    """MIB objects under their own names."""

    name: str = Field(description="The table's name.", pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")
    objects: list[ObjectName] = Field(min_length=1, description="Columns with one index, or scalars.")
    labels: dict[str, str] = Field(default_factory=dict[str, str], description="Label → template.")
    interval: Duration | None = Field(None, gt=0, description="Time between two readings; each poll by default.")


class TrapBody(Section):
    """A notification and what it means."""

    name: str = Field(description="Its MIB name.")
    level: Literal["informational", "low", "medium", "high", "critical"] = Field(
        "informational", description="How grave it is."
    )
    message: str = Field("", description="Text for people, with {object} for its variables.")


class ProfileBody(Section):
    """A profile file, whole."""

    name: Annotated[str, Field(pattern=_NAME.pattern)] = Field(description="The file's stem.")
    title: str = Field("", description="For lists.")
    extends: Texts = Field(default_factory=list[str], description="Profiles whose content this one has as well.")
    standard: bool = Field(False, description="Applied to every device; what it has is found by asking.")
    match: Annotated[list[MatchBody], BeforeValidator(_listed, json_schema_input_type=MatchBody | list[MatchBody])] = (
        Field(default_factory=list[MatchBody], description="Which devices it is for: alternatives.")
    )
    excludes: list[str] = Field(default_factory=list[str], description="Standard profiles that are left out.")
    references: list[str] = Field(default_factory=list[str], description="MIBs and documents.")
    objects: dict[ObjectName, OidText | ObjectBody] = Field(
        default_factory=dict[str, str | ObjectBody], description="Object → number."
    )
    device: DeviceBody = Field(default_factory=DeviceBody, description="Who it is.")
    sensors: list[SensorBody] = Field(default_factory=list[SensorBody], description="Measurements and states.")
    supplies: list[ReadingBody] = Field(default_factory=list[ReadingBody], description="Consumables, percent left.")
    wireless: list[ReadingBody] = Field(default_factory=list[ReadingBody], description="Wireless clients.")
    metrics: list[MetricBody] = Field(default_factory=list[MetricBody], description="MIB objects as they are.")
    traps: dict[OidText, TrapBody] = Field(default_factory=dict[str, TrapBody], description="Notifications.")
