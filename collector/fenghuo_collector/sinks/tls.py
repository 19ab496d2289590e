"""TLS towards a store, configured alike for every sink that speaks HTTP."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import Field, model_validator

from fenghuo.config import LocalPath, Section
from fenghuo.errors import Permanent


class Tls(Section):
    """How an `https` server is verified, and what we show it."""

    ca_file: LocalPath | None = Field(
        default=None, description="PEM file of the authorities to trust; default: the system's."
    )
    cert_file: LocalPath | None = Field(default=None, description="PEM file of our own certificate, for mutual TLS.")
    key_file: LocalPath | None = Field(default=None, description="PEM file of our own certificate's private key.")
    verify: bool = Field(default=True, description="Whether the server's certificate is verified; leave it on.")

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """The context that `tls` asks for; `Permanent` where a file is missing or none."""
    try:
        context = ssl.create_default_context(cafile=_text(tls.ca_file))
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, _text(tls.key_file))
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(file) for file in (tls.ca_file, tls.cert_file, tls.key_file) if file)
        raise Permanent(f"TLS files {files}: {error}") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
