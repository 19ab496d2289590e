"""TLS contexts of clients and servers, made from PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from fenghuo.errors import Permanent


def client_context(
    ca: Path | None, certificate: Path | None, key: Path | None, *, server_name: str = "", verify: bool = True
) -> ssl.SSLContext:
    """TLS 1.2 or newer; the server's certificate and name are verified unless `verify` says no.

    Without `ca` the system's authorities are trusted; `server_name` goes before the name of the host connected to.
    Raises `Permanent`, naming the file, where one is missing or is none.
    """
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if ca is not None:
        _trust(context, ca)
    else:
        context.load_default_certs()
    if certificate is not None and key is not None:
        _show(context, certificate, key)
    return context


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer; with `client_ca`, clients must show a certificate that chains to it. Raises as above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, certificate, key)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Named(ssl.SSLContext):
    """Asks for, and checks, a name that may differ from that of the host connected to."""

    server_name = ""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:  # of paho
        return super().wrap_socket(*args, **self._named(options))

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:  # of asyncio and uvloop
        return super().wrap_bio(*args, **self._named(options))

    def _named(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**options, "server_hostname": self.server_name} if self.server_name else options


def _trust(context: ssl.SSLContext, file: Path) -> None:
    _must_open(file)
    try:
        context.load_verify_locations(file)
    except (OSError, ValueError) as error:
        raise Permanent(f"TLS: {file} holds no certificates of authorities in PEM ({error})") from None


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _must_open(certificate)
    _must_open(key)
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Permanent(f"TLS: the key {key} does not belong to the certificate {certificate}") from None
        raise Permanent(f"TLS: {certificate} and {key} are no certificate and its key in PEM ({error})") from None
    except (OSError, ValueError) as error:
        raise Permanent(f"TLS: {certificate} and {key} cannot be used: {error}") from None


def _must_open(file: Path) -> None:
    """OpenSSL does not say which file is missing."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise Permanent(f"TLS: cannot read {file}: {error.strerror or error}") from None
