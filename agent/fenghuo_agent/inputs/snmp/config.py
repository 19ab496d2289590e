"""The `snmp` section of the agent's configuration."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config import Duration, Secret, Section, Size

SNMP_PORT = 161
MIN_PASSWORD = 8
_BRACKETED = re.compile(r"\[([^\]]+)\](?::(\d+))?")


class Target(NamedTuple):
    """Where a device is asked: an IP address (with `%zone` for a link-local one) and a UDP port."""

    host: str
    port: int

    @property
    def instance(self) -> str:
        """The `instance` label: the host, with its port where that is not 161."""
        if self.port == SNMP_PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Target:
    """Read `10.0.0.1`, `10.0.0.1:161`, `::1`, `[::1]:161`, each with `udp://` or without; ValueError where it is none."""
    rest = text.removeprefix("udp://")
    bracketed = _BRACKETED.fullmatch(rest)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    else:
        host, port = rest, None
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
        number = int(port) if port is not None else SNMP_PORT
    except ValueError:
        raise ValueError(f"{text!r}: expected an IP address such as 10.0.0.1, 10.0.0.1:1161 or [2001:db8::1]") from None
    if not 0 < number < 1 << 16:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    return Target(str(address), number)


def _check_address(text: str) -> str:
    parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_check_address)]


class Keys(Section):
    """A v3 password under the name of its algorithm; exactly one."""

    def chosen(self) -> tuple[str, Secret]:
        """The algorithm's name and the password."""
        for name in type(self).model_fields:
            secret = getattr(self, name)
            if secret is not None:
                return name, secret
        raise ValueError("no algorithm is given")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [secret for name in type(self).model_fields if (secret := getattr(self, name)) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(type(self).model_fields)}")
        if len(given[0].reveal()) < MIN_PASSWORD:
            raise ValueError(f"an SNMPv3 password has at least {MIN_PASSWORD} characters (RFC 3414, 11.2)")
        return self


class AuthKeys(Keys):
    """Authentication of a v3 user (RFC 3414, RFC 7860): one algorithm and its password."""

    sha256: Secret | None = Field(None, description="Password for HMAC-SHA-256, the usual choice.")
    sha512: Secret | None = Field(None, description="Password for HMAC-SHA-512.")
    sha384: Secret | None = Field(None, description="Password for HMAC-SHA-384.")
    sha224: Secret | None = Field(None, description="Password for HMAC-SHA-224.")
    sha1: Secret | None = Field(None, description="Password for HMAC-SHA-1, for older devices.")
    md5: Secret | None = Field(None, description="Password for HMAC-MD5, only for devices that know no other.")


class PrivKeys(Keys):
    """Privacy of a v3 user (RFC 3826, RFC 3414): one algorithm and its password."""

    aes128: Secret | None = Field(None, description="Password for AES-128, the usual choice.")
    aes192: Secret | None = Field(None, description="Password for AES-192, keys extended by Blumenthal's scheme.")
    aes256: Secret | None = Field(None, description="Password for AES-256, keys extended by Blumenthal's scheme.")
    aes192c: Secret | None = Field(None, description="Password for AES-192, keys extended the way Cisco does.")
    aes256c: Secret | None = Field(None, description="Password for AES-256, keys extended the way Cisco does.")
    des: Secret | None = Field(None, description="Password for DES, only for devices that know no other.")


class Credential(Section):
    """One way to be let in: a community (v1, v2c) or a user (v3)."""

    name: str = Field("", description="A name by which devices refer to this credential.")
    version: Literal["1", "2c", "3"] | None = Field(
        None, description="Protocol version; by default 3 for a user and 2c for a community."
    )
    community: Secret | None = Field(None, description="Community of v1 and v2c.")
    user: str | None = Field(None, min_length=1, max_length=32, description="User name of v3.")
    auth: AuthKeys | None = Field(None, description="Authentication of the v3 user.")
    priv: PrivKeys | None = Field(None, description="Privacy of the v3 user; needs authentication.")
    context: str = Field("", description="Context name of v3 (RFC 3411), such as a VLAN's.")

    @property
    def protocol(self) -> Literal["1", "2c", "3"]:
        """The version that is spoken."""
        return self.version or ("3" if self.user else "2c")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.community is None) == (self.user is None):
            raise ValueError("expected either a community or a user")
        if (self.protocol == "3") != (self.user is not None):
            raise ValueError("version 3 goes with a user, versions 1 and 2c with a community")
        if self.user is None and (self.auth or self.priv or self.context):
            raise ValueError("auth, priv and context belong to a v3 user")
        if self.priv and not self.auth:
            raise ValueError("priv needs auth (RFC 3414 knows no privacy without authentication)")
        return self


class Device(Section):
    """One device to poll."""

    address: Address = Field(description="IP address, with a port where it is not 161.", examples=["10.20.0.1"])
    name: str = Field("", description="The `device` label; by default the device's own sysName.")
    credential: str = Field("", description="Name of the credential; by default each is tried, in the order given.")
    interval: Duration | None = Field(None, gt=0, description="Time between two polls of this device.")
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="More labels for every series of this device."
    )

    @property
    def target(self) -> Target:
        """Where it is asked."""
        return parse_address(self.address)

    @model_validator(mode="after")
    def _own_labels(self) -> Self:
        for label in self.labels:
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", label) or label.startswith("__"):
                raise ValueError(f"{label!r} is no label name: letters, digits and _, not starting with a digit or __")
            if label in {"job", "instance", "device", "site", "agent", "ifIndex", "ifName", "ifAlias", "ifDescr"}:
                raise ValueError(f"the label {label!r} is set by Fenghuo itself")
        return self


class SnmpConfig(Section):
    """Devices that are polled by SNMP v1, v2c or v3."""

    devices: list[Device] = Field(default_factory=list[Device], description="The devices to poll.")
    credentials: list[Credential] = Field(
        default_factory=list[Credential], description="Communities and users, in the order in which they are tried."
    )
    interval: Duration = Field(60.0, gt=0, description="Time between two polls of a device.")
    timeout: Duration = Field(2.0, gt=0, description="How long to wait for one answer before asking again.")
    retries: int = Field(2, ge=0, le=10, description="How often a question is asked again.")
    deadline: Duration = Field(30.0, gt=0, description="How long one poll of one device may take in all.")
    learn_deadline: Duration = Field(120.0, gt=0, description="How long learning one device's rows may take in all.")
    relearn: Duration = Field(
        3600.0,
        gt=0,
        description="Time after which rows, names and aliases are read again even if nothing seems to have moved.",
    )
    probe_max: Duration = Field(
        300.0, gt=0, description="Longest time between two thorough attempts at a device that does not answer."
    )
    max_oids_per_request: int = Field(
        84, ge=1, le=256, description="Most objects asked for in one request; fewer where a device takes fewer."
    )
    max_reply: Size = Field(
        1400, ge=484, le=65507, description="Largest answer to aim for, so that it fits the path's MTU unfragmented."
    )
    max_repetitions: int = Field(20, ge=1, le=100, description="Most rows asked for in one GETBULK of a walk.")
    max_rows: int = Field(4096, ge=1, le=65536, description="Most rows of one table; a longer one is an error.")
    concurrency: int = Field(
        256,
        ge=1,
        le=8192,
        description="Most devices polled at the same time; as many silent ones are asked beside them, on a socket each.",
    )
    learning: int = Field(8, ge=1, le=256, description="Most devices whose rows are learnt at the same time.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [credential.name for credential in self.credentials if credential.name]
        if len(set(names)) != len(names):
            raise ValueError("two credentials have the same name")
        seen: set[Target] = set()
        for device in self.devices:
            if device.credential and device.credential not in names:
                raise ValueError(f"device {device.address}: there is no credential named {device.credential!r}")
            if device.target in seen:
                raise ValueError(f"device {device.address} is given twice")
            seen.add(device.target)
        if self.devices and not self.credentials:
            raise ValueError("devices need at least one credential (a community or a v3 user)")
        return self

    def credentials_of(self, device: Device) -> list[Credential]:
        """Those to try for a device, in order."""
        if device.credential:
            return [credential for credential in self.credentials if credential.name == device.credential]
        return list(self.credentials)
