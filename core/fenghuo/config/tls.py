"""TLS towards a server, configured alike for every broker, store and receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from fenghuo.config.section import LocalPath, Section

if TYPE_CHECKING:  # its import is worth waiting for until a connection wants it
    import ssl


class Tls(Section):
    """How a server's certificate is verified, and what we show it. All files are PEM."""

    ca: LocalPath | None = Field(
        default=None, description="Certificates of the authorities to trust; the system's own where none is given."
    )
    certificate: LocalPath | None = Field(
        default=None, description="Our own certificate, with its chain, where the server asks for one."
    )
    key: LocalPath | None = Field(default=None, description="The private key of our certificate, not encrypted.")
    server_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name that the server's certificate must bear where it differs from the address's host.",
    )
    verify: bool = Field(
        default=True, description="Whether the server's certificate is verified; leave it on outside a laboratory."
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` belong together: give both or neither")
        if self.server_name and not self.verify:
            raise ValueError("`server_name` says what to verify, and `verify` is off: leave out one of them")
        return self

    @property
    def given(self) -> bool:
        """Whether anything differs from what every client does by itself."""
        return self != Tls()

    def context(self) -> ssl.SSLContext:
        """A client's context: TLS 1.2 or newer. Files are read anew each time, so that rotated ones count.

        Raises `Permanent`, naming the file, where one is missing or is none.
        """
        from fenghuo.tls import client_context  # noqa: PLC0415 — see above

        return client_context(
            self.ca, self.certificate, self.key, server_name=self.server_name or "", verify=self.verify
        )
