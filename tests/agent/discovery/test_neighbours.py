"""The kernel's messages about neighbours, and what is made of malformed ones."""

from __future__ import annotations

import socket
import struct

import pytest

from fenghuo_agent.discovery.neighbours import Neighbour, kernel_neighbours, parse

REACHABLE, STALE, INCOMPLETE, FAILED, NOARP = 0x02, 0x04, 0x01, 0x20, 0x40
MAC = bytes.fromhex("001122334455")


def body(address: str, state: int = REACHABLE, mac: bytes = MAC, index: int = 0) -> bytes:
    """An ndmsg with its attributes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    destination = socket.inet_pton(family, address)
    message = struct.pack("=BxxxiHBB", family, index or socket.if_nametoindex("lo"), state, 0, 1)
    for kind, value in ((1, destination), (2, mac)):
        message += struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return message


def test_a_neighbour_is_its_address_mac_and_interface():
    assert parse(body("10.0.0.7")) == Neighbour("10.0.0.7", "00:11:22:33:44:55", "lo")
    assert parse(body("2001:db8::7", STALE)) == Neighbour("2001:db8::7", "00:11:22:33:44:55", "lo")
    assert parse(body("fe80::7")) == Neighbour("fe80::7%lo", "00:11:22:33:44:55", "lo")


@pytest.mark.parametrize("state", [INCOMPLETE, FAILED, NOARP])
def test_who_did_not_answer_is_no_neighbour(state: int):
    assert parse(body("10.0.0.7", state)) is None


@pytest.mark.parametrize("address", ["224.0.0.251", "ff02::1"])
def test_a_group_is_no_neighbour(address: str):
    assert parse(body(address)) is None


def test_what_is_malformed_or_of_an_interface_that_went_away_is_none():
    whole = body("10.0.0.7")
    assert [parse(whole[:size]) for size in range(len(whole) - 4)] == [None] * (len(whole) - 4)
    assert parse(body("10.0.0.7", mac=b"")) is None
    assert parse(body("10.0.0.7", index=1 << 30)) is None
    assert parse(struct.pack("=BxxxiHBB", 2, 1, REACHABLE, 0, 1) + struct.pack("=HH", 0, 1)) is None


def test_the_kernel_can_be_asked():
    assert isinstance(kernel_neighbours(), list)
