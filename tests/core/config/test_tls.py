"""TLS towards a server: what is refused when it is read, what when its files are."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from fenghuo.config import Tls
from fenghuo.errors import Permanent
from fenghuo.tls import server_context
from servers.mosquitto import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def own(authority: Authority, tmp_path: Path):
    return authority.issue(tmp_path, "gw1", "school.example")


async def greeting(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The version of TLS that both agree on, over asyncio and loopback."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        version = writer.get_extra_info("ssl_object").version()
        await reader.read()
        writer.close()
        return version


def test_a_certificate_and_its_key_are_given_together_or_not_at_all():
    for half in ({"certificate": "c.pem"}, {"key": "c.key"}):
        with pytest.raises(ValidationError, match="belong together"):
            Tls.model_validate(half)
    assert not Tls().given
    assert Tls(server_name="x").given


def test_a_name_that_nobody_verifies_is_refused():
    with pytest.raises(ValidationError, match="leave out one of them"):
        Tls(server_name="x", verify=False)


@pytest.mark.parametrize("missing", ["ca", "certificate", "key"])
def test_a_missing_file_is_named(own, tmp_path: Path, missing: str):
    files = {"ca": own.cert, "certificate": own.cert, "key": own.key, missing: tmp_path / "gone.pem"}
    with pytest.raises(Permanent, match=r"cannot read .*gone\.pem: No such file"):
        Tls(**files).context()


@pytest.mark.parametrize("wrong", ["ca", "certificate", "key"])
def test_a_file_that_is_none_is_named(own, tmp_path: Path, wrong: str):
    (tmp_path / "odd.pem").write_text("nothing of use")
    files = {"ca": own.cert, "certificate": own.cert, "key": own.key, wrong: tmp_path / "odd.pem"}
    with pytest.raises(Permanent, match=r"odd\.pem"):
        Tls(**files).context()


def test_a_key_of_another_certificate_is_said_to_be_one(authority: Authority, own, tmp_path: Path):
    other = authority.issue(tmp_path, "gw2")
    with pytest.raises(Permanent, match=r"does not belong to the certificate"):
        Tls(certificate=own.cert, key=other.key).context()


async def test_both_sides_show_and_check_certificates_by_the_name_configured(authority: Authority, own):
    server = server_context(own.cert, own.key, authority.file)
    shown = Tls(ca=authority.file, certificate=own.cert, key=own.key)
    assert await greeting(server, shown.replace(server_name="school.example").context()) == "TLSv1.3"
    assert await greeting(server, shown.replace(verify=False).context()) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        await greeting(server, shown.context())  # 127.0.0.1 is not in the certificate
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        await greeting(server, Tls(server_name="school.example").context())


async def test_tls_older_than_1_2_is_not_spoken(authority: Authority, own):
    old = server_context(own.cert, own.key, None)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await greeting(old, Tls(ca=authority.file, server_name="school.example").context())


def test_the_section_alone_does_not_load_the_tls_library():
    code = "import sys; from fenghuo.config import tls; print('fenghuo.tls' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
