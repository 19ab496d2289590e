"""The `probe` section of the configuration: what is asked whether it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from fenghuo.config import Duration, Section
from fenghuo_agent.inputs.probe.options import (
    KINDS,
    MAX_TARGETS,
    Asked,
    DnsTarget,
    HttpsTarget,
    HttpTarget,
    IcmpTarget,
    NtpTarget,
    OnvifTarget,
    Options,
    RtspTarget,
    TcpTarget,
    listed,
)

_KEYS = tuple(kind.key for kind in KINDS)
_SCHEMES = {**{key: key for key in _KEYS}, "rtsps": "rtsp"}


def _spelled(value: Any) -> Any:
    """A bare text as the mapping that it stands for: `10.20.0.1`, `https://www.example.cn`, `tcp://10.20.0.5:22`."""
    if not isinstance(value, str):
        return value
    scheme, found, rest = value.partition("://")
    if not found:
        return {"icmp": value}
    key = _SCHEMES.get(scheme, "")
    if not key:
        raise ValueError(f"{value!r}: expected an address, or a URL of {', '.join(f'{name}://' for name in _SCHEMES)}")
    return {key: value if key in ("http", "https", "rtsp") else rest.rstrip("/")}


def _tag(value: Any) -> str | None:
    if isinstance(value, Options):
        return f"<{value.key}>"
    given = [key for key in _KEYS if isinstance(value, Mapping) and key in value]
    return f"<{given[0]}>" if len(given) == 1 else None


_Known = Annotated[
    Annotated[IcmpTarget, Tag("<icmp>")]
    | Annotated[TcpTarget, Tag("<tcp>")]
    | Annotated[HttpTarget, Tag("<http>")]
    | Annotated[HttpsTarget, Tag("<https>")]
    | Annotated[DnsTarget, Tag("<dns>")]
    | Annotated[NtpTarget, Tag("<ntp>")]
    | Annotated[RtspTarget, Tag("<rtsp>")]
    | Annotated[OnvifTarget, Tag("<onvif>")],
    Discriminator(
        _tag,
        custom_error_type="target_kind",
        custom_error_message=f"expected a target with one of the keys {', '.join(_KEYS)}",
    ),
]
Entry = Annotated[_Known, BeforeValidator(_spelled, json_schema_input_type=str | _Known)]


class ProbeConfig(Section):
    """Targets that are asked whether they answer; a bare list stands for `targets`."""

    targets: list[Entry] = Field(
        default_factory=list[Entry],
        max_length=MAX_TARGETS,
        description="What is asked: mappings by kind, or bare texts: an address to ping, a URL.",
    )
    interval: Duration = Field(default=30.0, ge=1, le=86400, description="Time between two probes of a target.")
    timeout: Duration = Field(
        default=5.0, gt=0, le=60, description="How long one probe may take in all; never longer than its interval."
    )
    concurrency: int = Field(
        default=128,
        ge=1,
        le=4096,
        description="Most targets that are asked over connections at the same time, and as many of those that failed last.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for entry, asked in self.each():
            if (entry.kind, asked.instance) in seen:
                raise ValueError(f"{entry.kind} target {asked.instance} is given twice")
            seen.add((entry.kind, asked.instance))
        if len(seen) > MAX_TARGETS:
            raise ValueError(f"{len(seen)} targets; at most {MAX_TARGETS}")
        for entry in self.targets:
            interval = entry.interval or self.interval
            if entry.timeout is not None and entry.timeout > interval:
                raise ValueError(
                    f"a target's `timeout` is longer than its `interval` ({next(iter(entry.asked())).instance})"
                )
            if isinstance(entry, IcmpTarget) and (entry.count - 1) * entry.gap >= self.timeout_of(entry):
                raise ValueError(
                    f"{entry.count} echoes {entry.gap:g} s apart take longer than the timeout "
                    f"({next(iter(entry.asked())).instance})"
                )
        return self

    def each(self) -> Iterator[tuple[Options, Asked]]:
        """Every address with the entry that it stands in."""
        for entry in self.targets:
            for asked in entry.asked():
                yield entry, asked

    def interval_of(self, entry: Options) -> float:
        """Seconds between two probes."""
        return entry.interval or self.interval

    def timeout_of(self, entry: Options) -> float:
        """Seconds that one probe may take."""
        return min(entry.timeout or self.timeout, self.interval_of(entry))


def targets_alone(value: Any) -> Any:
    """A bare list, or a bare text, as the section that it stands for."""
    return {"targets": listed(value)} if isinstance(value, list | str) else value
