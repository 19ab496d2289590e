"""Traps and informs of net-snmp's own tools, in every version, arrive as events; informs are acknowledged."""

from __future__ import annotations

import pytest

from servers.snmpd import USERS, has_ipv6

from .conftest import LINK_DOWN

PORT_3 = ("1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.7.3", "i", "1", "1.3.6.1.2.1.2.2.1.8.3", "i", "2")


async def test_a_v2c_trap_is_an_event_with_the_names_of_the_mib(start, sender):
    async with start(name_of={"127.0.0.1": "core-switch"}.get) as running:
        await sender.trap(running.port, "123456", LINK_DOWN, *PORT_3)
        (document,) = await running.events()
    assert document["event"] | {"severity": 0} == {
        "kind": "event", "category": ["network"], "type": ["info"], "dataset": "trap", "module": "snmp",
        "action": "linkDown", "severity": 0,
    }  # fmt: skip
    assert document["message"] == "core-switch: port 3 went down"
    assert document["source"] == {"ip": "127.0.0.1"}
    assert document["host"] == {"name": "core-switch", "ip": ["127.0.0.1"]}
    trap = document["fenghuo"]["trap"]
    assert trap["version"] == "2c"
    assert trap["kind"] == "trap"
    assert trap["oid"] == LINK_DOWN
    assert trap["uptime"] == 1234.56
    assert trap["if_index"] == 3
    assert trap["objects"] == {"ifIndex": 3, "ifAdminStatus": "up", "ifOperStatus": "down"}
    assert "varbinds" not in trap


async def test_a_v1_trap_is_translated_and_names_the_device_it_is_of(start, sender):
    names = {"10.9.8.7": "old-ups"}
    async with start(name_of=lambda host: names.get(host, "")) as running:
        arguments = ("1.3.6.1.4.1.318", "10.9.8.7", "6", "5", "4711", "1.3.6.1.4.1.318.2.3.3.0", "s", "on battery")
        await sender.trap(running.port, *arguments, version="1")
        await sender.trap(running.port, "1.3.6.1.4.1.9.1.1", "10.9.8.6", "2", "0", "1", *PORT_3[:3], version="1")
        first, second = await running.events(2)
    assert first["fenghuo"]["trap"]["oid"] == "1.3.6.1.4.1.318.0.5"
    assert first["fenghuo"]["trap"]["enterprise"] == "1.3.6.1.4.1.318"
    assert first["source"] == {"ip": "10.9.8.7"}
    assert first["host"]["name"] == "old-ups"
    assert first["fenghuo"]["trap"]["sender"] == "127.0.0.1"
    assert second["event"]["action"] == "linkDown"
    assert second["source"] == {"ip": "127.0.0.1"}, "an address that names no device of ours is not believed"
    assert second["fenghuo"]["trap"]["agent_address"] == "10.9.8.6"


async def test_a_v2c_inform_is_acknowledged(start, sender):
    async with start() as running:
        status, output = await sender.trap(running.port, "1", LINK_DOWN, *PORT_3, program="snmpinform")
        assert status == 0, output
        (document,) = await running.events()
        assert running.tally.acknowledged == 1
    assert document["fenghuo"]["trap"]["kind"] == "inform"


@pytest.mark.parametrize("user", USERS)
async def test_v3_traps_and_informs_of_every_algorithm_are_believed(start, sender, user):
    async with start() as running:
        await sender.trap(running.port, "1", LINK_DOWN, *PORT_3, user=user)
        await running.events()
        status, output = await sender.trap(running.port, "1", LINK_DOWN, *PORT_3, user=user, program="snmpinform")
        assert status == 0, output
        trap, inform = await running.events(2)
        assert running.tally.acknowledged == 1
        assert running.tally.handshakes in (1, 2)
        assert not running.tally.denied
    assert trap["fenghuo"]["trap"]["user"] == inform["fenghuo"]["trap"]["user"] == user
    assert trap["fenghuo"]["trap"]["kind"] == "trap"
    assert inform["fenghuo"]["trap"]["kind"] == "inform"
    assert inform["fenghuo"]["trap"]["engine_id"] == running.source.engine_id.hex()
    assert inform["fenghuo"]["trap"]["security_level"] == ("authPriv" if USERS[user][1] else "authNoPriv")


@pytest.mark.skipif(not has_ipv6(), reason="::1 cannot be bound here")
async def test_traps_and_informs_over_ipv6(start, sender):
    import socket

    from servers.process import free_port

    port = free_port(socket.SOCK_DGRAM, "::1")
    async with start(port=port, listen=[f"[::]:{port}", f"0.0.0.0:{port}"]) as running:
        status, _ = await sender.trap(f"udp6:[::1]:{port}", "1", LINK_DOWN, *PORT_3, program="snmpinform")
        assert status == 0
        status, _ = await sender.trap(f"udp:127.0.0.2:{port}", "1", LINK_DOWN, *PORT_3, program="snmpinform")
        assert status == 0
        first, second = await running.events(2)
    assert first["source"] == {"ip": "::1"}
    assert second["source"]["ip"].startswith("127.0.0.")


async def test_snmpd_itself_sends_what_it_sees(start, sender, tmp_path):
    """Its start, its end, and a request with a wrong community."""
    from servers.snmpd import snmpd

    from .conftest import COMMUNITY

    async with start() as running:
        lines = [f"trap2sink 127.0.0.1:{running.port} {COMMUNITY}", "authtrapenable 1"]
        with snmpd(tmp_path / "snmpd", lines=lines) as agent:
            await running.until(lambda: "coldStart" in running.basket.actions)
            await sender.run(
                "snmpget", "-v2c", "-c", "wrong", "-t", "0.2", "-r", "0", agent.address(), "1.3.6.1.2.1.1.3.0"
            )
            await running.until(lambda: "authenticationFailure" in running.basket.actions)
        await running.until(lambda: "nsNotifyShutdown" in running.basket.actions)
