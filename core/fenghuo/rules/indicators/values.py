"""The canonical forms of indicators and of what is looked up: two texts that mean the same become one key."""

from __future__ import annotations

import ipaddress
import re
import socket
from enum import IntEnum

MAX_VALUE = 2_000
"""Characters of a value; longer ones are refused."""

_DOMAIN = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]{1,63}")
_URL = re.compile(
    r"(?:([a-z][a-z0-9+.-]*):)?//(?:[^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#:\[\]@\s]+)(?::([0-9]*))?(/[^?#\s]*)?(\?[^#\s]*)?(?:#.*)?",
    re.IGNORECASE,
)
_USUAL_URL = re.compile(r"https?://(?:[a-z0-9-]+\.)*[a-z0-9-]+/[^?#\s%]*(?:\?[^#\s%]*)?")
"""What is its own key already: most of what is seen."""
_DEFAULT_PORT = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFANGED = re.compile(r"\[dot\]|\(dot\)|\{dot\}|\[\.\]|\(\.\)|\{\.\}|\[\.|\.\]|\\\.", re.IGNORECASE)
_DEFANGED_SCHEME = re.compile(r"^h(?:xx|\*\*|tt|XX)p(s?)\s*(?:\[:\]|\[:|:)\s*(?:\[//\]|//|\[/\]\[/\])", re.IGNORECASE)
DIGEST_BYTES = frozenset({16, 20, 28, 32, 48, 64})
"""MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512."""


class Type(IntEnum):
    """What an indicator is. Networks (CIDR) are `IP`."""

    DOMAIN = 0
    IP = 1
    HASH = 2
    URL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


def refang(text: str) -> str:
    """Undo what people do to make an indicator harmless to click: `hxxps[:]//bad[.]example`."""
    if "[" in text or "(" in text or "{" in text or "\\" in text:
        text = _DEFANGED.sub(".", text).replace("[@]", "@").replace("[:]", ":").replace("[/]", "/")
        text = text.replace("[://]", "://")
    if text[:1] in "hH" and text[:5].lower() not in ("http:", "https"):
        text = _DEFANGED_SCHEME.sub(r"http\1://", text)
    return text


def domain_key(text: str) -> str | None:
    """A host name in lower case, without the final dot, internationalised labels in their ASCII form (RFC 5891); None where it is none."""
    name = text.lower()
    name = name.removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if len(name) > 253 or not _DOMAIN.fullmatch(name):
        return None
    return name


def address_key(text: str) -> bytes | None:
    """4 or 16 bytes in network order; an IPv4 address mapped into IPv6 is the IPv4 one. None where it is no address."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


_MAPPED = bytes(10) + b"\xff\xff"


def network_key(text: str) -> tuple[bytes, int] | None:
    """The first address of a network (host bits are cleared) and its prefix length; None where it is none."""
    address, slash, length = text.partition("/")
    packed = address_key(address)
    if packed is None or not slash:
        return None
    bits = len(packed) * 8
    if len(packed) == 4 and ":" in address:
        return None
    if not length.isdecimal() or not length.isascii():
        return _masked(packed, length)
    prefix = int(length[:4])
    if prefix > bits:
        return None
    return cleared(packed, prefix), prefix


def _masked(packed: bytes, mask: str) -> tuple[bytes, int] | None:
    """`10.0.0.0/255.0.0.0`."""
    try:
        prefix = ipaddress.IPv4Network(("0.0.0.0", mask)).prefixlen  # noqa: S104 — any address does to read the mask
    except ValueError:
        return None
    return (cleared(packed, prefix), prefix) if len(packed) == 4 else None


def cleared(packed: bytes, prefix: int) -> bytes:
    """The address with all bits after `prefix` cleared."""
    rest = len(packed) * 8 - prefix
    return ((int.from_bytes(packed, "big") >> rest) << rest).to_bytes(len(packed), "big")


def digest_key(text: str) -> bytes | None:
    """The bytes of a hexadecimal digest; None where its length is that of no usual hash."""
    if len(text) // 2 not in DIGEST_BYTES:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if len(digest) * 2 == len(text) else None


def url_key(text: str) -> str | None:
    """A URL with scheme and host in lower case, without the default port, credentials, fragment and the host's final dot.

    Escapes of unreserved characters are undone and the others are in upper case (RFC 3986, 6.2.2). Without a scheme
    (`bad.example/x`) the key has none either. None where it is no URL.
    """
    if _USUAL_URL.fullmatch(text):
        return text
    match = _URL.fullmatch(text if "://" in text or text.startswith("//") else f"//{text}")
    if match is None:
        return None
    scheme, host, port, path, query = match.groups()
    scheme = (scheme or "").lower()
    host = _host(host)
    if host is None:
        return None
    if port and port != _DEFAULT_PORT.get(scheme):
        host = f"{host}:{port}"
    rest = (path or "/") + (query or "")
    if "%" in rest:
        rest = _ESCAPE.sub(_unescape, rest)
    return f"{scheme}://{host}{rest}" if scheme else host + rest


def _host(text: str) -> str | None:
    if text.startswith("["):
        packed = address_key(text[1:-1])
        return f"[{format_address(packed)}]" if packed else None
    if text.isascii():
        host = text.lower()
        return host[:-1] if host.endswith(".") and len(host) > 1 else host
    return domain_key(text)


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()


def without_scheme(url: str) -> str:
    """The host and the rest of a `url_key`."""
    _, sign, rest = url.partition("://")
    return rest if sign else url


def url_parents(url: str, most: int = 32) -> list[str]:
    """Host and path of a `url_key` without its query, then each folder above, down to the host alone."""
    rest = without_scheme(url).partition("?")[0].rstrip("/")
    found = [rest]
    while "/" in rest and len(found) < most:
        rest = rest.rpartition("/")[0].rstrip("/")
        found.append(rest)
    if "/" in rest:
        found.append(rest.partition("/")[0])
    return found


def format_address(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
