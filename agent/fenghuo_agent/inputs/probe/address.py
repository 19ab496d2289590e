"""What a target's text says: a host with a port, or a URL."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_NAME = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_BRACKETED = re.compile(r"\[([^\]]+)\](?::(\d{1,5}))?")
MAX_URL = 500
"""Characters; it becomes a label."""
_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


class Endpoint(NamedTuple):
    """A host (a name, or an IP address with `%zone` for a link-local one) and a port; 0 where there are none."""

    host: str
    port: int = 0

    def text(self, usual: int = 0) -> str:
        """As it is written, without the port where it is the `usual` one."""
        if self.port == usual:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Url(NamedTuple):
    """The parts of a URL that are asked for. `host` is bare, `path` has the query and begins with a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the `Host` field wants them: without the scheme's usual port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_endpoint(text: str, usual: int = 0) -> Endpoint:
    """Read `host`, `host:port`, `::1` or `[::1]:port`.

    `usual` is the port where none is written; 0: the endpoint has no port. ValueError says what is wrong.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    return Endpoint(_host(host, text), _port(port, usual, text))


def parse_url(text: str, *schemes: str) -> Url:
    """Read a URL of one of `schemes`; without a scheme the first is meant. ValueError says what is wrong."""
    whole = text if "://" in text else f"{schemes[0]}://{text}"
    if len(whole) > MAX_URL:
        raise ValueError(f"a URL of {len(whole)} characters; at most {MAX_URL}")
    if not whole.isprintable() or " " in whole or not whole.isascii():
        raise ValueError(f"{text!r}: a URL is of printable ASCII without spaces; encode others as %XX")
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL: {error}") from None
    if parts.scheme not in schemes:
        raise ValueError(f"expected a URL of {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a password in it would be shown to everybody: leave it out")
    if not parts.hostname:
        raise ValueError(f"{text!r} names no host")
    if port == 0:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(parts.scheme, _host(parts.hostname, text), port or _PORTS[parts.scheme], path)


def _host(host: str, text: str) -> str:
    if _is_address(host):
        address = ip_address(host)
        if address.is_multicast or address.is_unspecified:
            raise ValueError(f"{text!r}: {host} is no address of a single host")
        return str(address)
    looks_like_address = ":" in host or not host.rpartition(".")[2].strip("0123456789")
    if looks_like_address or not _NAME.fullmatch(host):
        raise ValueError(f"{text!r}: expected a host's name or IP address, such as 10.20.0.1 or [2001:db8::1]:8080")
    return host.lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _port(port: str | None, usual: int, text: str) -> int:
    if port is None:
        return usual
    if not usual:
        raise ValueError(f"{text!r}: no port belongs here")
    number = int(port) if port.isascii() and port.isdigit() else 0
    if not 0 < number < 1 << 16:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    return number
