"""Privacy of version 3: AES in CFB mode (RFC 3826) and DES in CBC mode (RFC 3414, section 8)."""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher as Machine
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from fenghuo_agent.snmp.ber import Malformed

DES_BLOCK = 8


class Cipher(Protocol):
    """A privacy protocol; `reeder` says that short keys are extended the way Cisco's devices do."""

    @property
    def key_size(self) -> int: ...

    @property
    def reeder(self) -> bool: ...

    def salt(self, boots: int, counter: int) -> bytes:
        """The privacy parameters of the message number `counter`."""
        ...

    def encrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes: ...

    def decrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes: ...


class Aes:
    """AES with a key of 16, 24 or 32 octets."""

    def __init__(self, key_size: int, *, reeder: bool = False) -> None:
        self.key_size = key_size
        self.reeder = reeder

    def salt(self, boots: int, counter: int) -> bytes:  # noqa: ARG002 — DES needs it
        return counter.to_bytes(8)

    def encrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes:
        return Machine(AES(key), CFB(boots.to_bytes(4) + time.to_bytes(4) + salt)).encryptor().update(data)

    def decrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes:
        if len(salt) != 8:
            raise Malformed("privacy parameters of a wrong length")
        return Machine(AES(key), CFB(boots.to_bytes(4) + time.to_bytes(4) + salt)).decryptor().update(data)


class Des:
    """DES; the second half of the key masks the salt."""

    key_size = 16
    reeder = False

    def salt(self, boots: int, counter: int) -> bytes:
        return (boots & 0xFFFF_FFFF).to_bytes(4) + (counter & 0xFFFF_FFFF).to_bytes(4)

    def encrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes:  # noqa: ARG002 — AES needs them
        padding = -len(data) % DES_BLOCK
        return _des(key, salt).encryptor().update(data + bytes((padding,)) * padding)

    def decrypt(self, key: bytes, boots: int, time: int, salt: bytes, data: bytes) -> bytes:  # noqa: ARG002 — AES needs them
        if len(salt) != DES_BLOCK or len(data) % DES_BLOCK or not data:
            raise Malformed("an encrypted part of a wrong length")
        return _des(key, salt).decryptor().update(data)


def _des(key: bytes, salt: bytes) -> Machine[CBC]:
    vector = bytes(mask ^ octet for mask, octet in zip(key[DES_BLOCK:], salt, strict=True))
    return Machine(TripleDES(key[:DES_BLOCK] * 3), CBC(vector))


def cipher_of(name: str) -> Cipher:
    """The privacy protocol of that name in the configuration."""
    if name == "des":
        return Des()
    return Aes(int(name.removeprefix("aes").removesuffix("c")) // 8, reeder=name.endswith("c"))
