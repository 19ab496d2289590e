"""A configuration for these tests, with every kind of field that Fenghuo's own have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from fenghuo.config import Duration, LocalPath, Secret, Section, Size, parse
from fenghuo.errors import Located


class Community(Section):
    """A community of SNMP v1 and v2c."""

    community: Secret = Field(description="The community.")


class Auth(Section):
    sha256: Secret | None = Field(None, description="A password for HMAC-SHA-256.")
    sha512: Secret | None = Field(None, description="A password for HMAC-SHA-512.")


class User(Section):
    user: str = Field(description="The user's name.")
    auth: Auth = Field(default_factory=Auth, description="How the user proves to be it.")


class Snmp(Section):
    """Devices that are polled by SNMP."""

    discover: list[str] = Field([], description="Networks to search.")
    interval: Duration = Field(60.0, gt=0, le=86400, description="How often each device is polled.")
    timeout: Duration | None = Field(None, description="How long an answer is waited for.")
    version: Literal["1", "2c", "3"] = Field("2c", description="The protocol's version.")
    credentials: list[Community | User] = Field([], description="What is tried, in order.")


class Broker(Section):
    kind: Literal["broker"] = "broker"
    url: str = Field(description="Where it is.")


class Replay(Section):
    kind: Literal["replay"] = "replay"
    file: LocalPath = Field(description="What is replayed.")


class Inputs(Section):
    snmp: Snmp | None = Field(None, description="Polls devices.")
    sensors: list[Annotated[Broker | Replay, Field(discriminator="kind")]] = Field([], description="Listens.")


class School(Section):
    """A school's configuration."""

    site: str = Field(description="The site's path.")
    name: str = Field("gw1", description="The agent's name.")
    port: int = Field(8883, ge=1, le=65535, description="A port.")
    ratio: float = Field(0.5, description="A ratio.")
    enabled: bool = Field(True, description="Whether.")
    cap: Size = Field(64 * 2**20, ge=1024, description="A cap.")
    interfaces: str | list[str] = Field("eth0", description="One or more.")
    labels: dict[str, str] = Field({}, description="Labels.")
    anything: dict[str, Any] = Field({}, description="Whatever.")
    token: Secret | None = Field(None, description="A token.")
    inputs: Inputs = Field(default_factory=Inputs, description="The inputs.")

    @field_validator("site")
    @classmethod
    def _has_no_space(cls, site: str) -> str:
        if " " in site:
            raise ValueError(f"site {site!r} holds a space")
        return site

    @model_validator(mode="after")
    def _labels_are_few(self) -> School:
        if len(self.labels) > 3:
            raise ValueError("more than 3 labels")
        return self


def read(content: str | bytes, folder: Path = Path(), **env: str) -> School:
    data = content.encode() if isinstance(content, str) else content
    return parse(data, School, env=env, file="school.yaml", folder=folder)


def problems_of(content: str | bytes, folder: Path = Path(), **env: str) -> list[str]:
    """Every problem as text, without the file's name."""
    with pytest.raises(Located) as caught:
        read(content, folder, **env)
    return [str(problem).removeprefix("school.yaml:") for problem in caught.value.problems]
