"""A broker's address."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is; `secure` means TLS."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> BrokerAddress:
        """Read `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`; ValueError where it is none."""
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError(f"{text!r} is no address: expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]") from None
        if parts.username or parts.password:
            raise ValueError("give user name and password as username and password_file, not in the address")
        if parts.scheme not in _DEFAULT_PORTS or not host or parts.path not in ("", "/") or parts.query:
            raise ValueError(f"{text!r} is no broker's address: expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        return cls(host, _DEFAULT_PORTS[parts.scheme] if port is None else port, parts.scheme == "mqtts")
