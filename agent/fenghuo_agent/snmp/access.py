"""Where and how a device is asked: addresses and credentials, as the configuration and the command line give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config import Secret, Section

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


def parse_address(text: str, default: int = SNMP_PORT) -> Target:
    """Read `10.0.0.1`, `10.0.0.1:161`, `::1`, `[::1]:161`, each with `udp://` or without; ValueError where it is none.

    `default` is the port where none is given.
    """
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
        number = int(port) if port is not None else default
    except ValueError:
        raise ValueError(f"{text!r}: expected an IP address such as 10.0.0.1, 10.0.0.1:1161 or [2001:db8::1]") from None
    if not 0 < number < 1 << 16:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    return Target(str(address), number)


def _check_address(text: str) -> str:
    parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_check_address)]


def _check_subnet(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r}: expected a subnet such as 10.20.0.0/22, its host bits zero") from None


Subnet = Annotated[str, AfterValidator(_check_subnet)]


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
    subnets: tuple[Subnet, ...] = Field(
        (),
        description="Subnets whose devices it is for: there it is tried before those that name none, elsewhere not at all.",
        examples=[["10.20.0.0/22"]],
    )

    @property
    def protocol(self) -> Literal["1", "2c", "3"]:
        """The version that is spoken."""
        return self.version or ("3" if self.user else "2c")

    def closeness(self, host: str) -> int | None:
        """How narrowly its subnets fit an IP address: the longest prefix, 0 where it is for all; None where not for this."""
        if not self.subnets:
            return 0
        address = ip_address(host.partition("%")[0])
        networks = (ip_network(subnet) for subnet in self.subnets)
        return max((network.prefixlen + 1 for network in networks if address in network), default=None)

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


def credentials_for(credentials: Sequence[Credential], host: str) -> list[Credential]:
    """Those that are for an IP address: of its narrowest subnet first, then those without subnets, in the order given."""
    fitting = [(closeness, each) for each in credentials if (closeness := each.closeness(host)) is not None]
    return [each for _, each in sorted(fitting, key=lambda pair: -pair[0])]
