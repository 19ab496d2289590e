"""The whole way: snmpd and a sensor → agent → Mosquitto with TLS → collector → Prometheus, embedded store, webhook.

Agent and collector are processes of their own, started by the command line with a configuration file each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from servers.mosquitto import Authority, Mosquitto, mosquitto_tls
from servers.process import need, wait_for
from servers.prometheus import PrometheusServer, prometheus
from servers.snmpd import COMMUNITY, PASSWORD, SECRET, Snmpd, snmpd

from .world import FENGHUO, Child, Collector, collector, write

SITE = "bj/haidian/zgc-no1"
AGENT = f"{SITE}/gw1"
ACL = f"""
user {AGENT}
topic write fenghuo/1/{AGENT}/#
topic read fenghuo/1/{AGENT}/ack
user collector
topic readwrite fenghuo/1/#
user sensor
topic write school/#
user {AGENT}
topic read school/#
"""
HOT_ROOM = """
title: Room too hot
title_zh: 房间过热
name: e2e.hot
id: 0191d6a0-0000-7000-8000-0000000000aa
status: test
kind: threshold
data: sensor_temperature_celsius
condition: value > 32
level: high
message: "{device} at {value:.1f} °C"
message_zh: "{device} 温度 {value:.1f} °C"
tests:
  - title: hot
    input: [{at: 0s, device: t1, sensor_temperature_celsius: 35}]
    expect: [{at: 0s, state: firing, device: t1}]
  - title: cool
    input: [{at: 0s, device: t1, sensor_temperature_celsius: 20}]
    expect: []
"""


class Receiver:
    """A webhook's other end: keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def text(self) -> str:
        return json.dumps(self.posted, ensure_ascii=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("main-job")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def broker(folder: Path, authority: Authority) -> Iterator[Mosquitto]:
    with mosquitto_tls(folder / "broker", authority, ACL) as running:
        yield running


@pytest.fixture(scope="module")
def device(folder: Path) -> Iterator[Snmpd]:
    with snmpd(folder / "snmpd", hosts=("127.0.0.1", "::1")) as running:
        yield running


@pytest.fixture(scope="module")
def metrics(folder: Path) -> Iterator[PrometheusServer]:
    with prometheus(folder / "prometheus") as running:
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()


def tls(authority: Authority, folder: Path, name: str, file: str) -> dict[str, str]:
    identity = authority.issue(folder, name)
    (folder / f"{file}.crt").write_bytes(identity.cert.read_bytes())
    (folder / f"{file}.key").write_bytes(identity.key.read_bytes())
    return {"ca": str(authority.file), "certificate": str(folder / f"{file}.crt"), "key": str(folder / f"{file}.key")}


@pytest.fixture(scope="module")
def district(
    folder: Path, authority: Authority, broker: Mosquitto, metrics: PrometheusServer, receiver: Receiver
) -> Iterator[Collector]:
    made = collector(
        folder / "collector",
        broker={"url": f"mqtts://127.0.0.1:{broker.port}", "tls": tls(authority, folder, "collector", "collector")},
        sinks={"sqlite": {}, "prometheus": {"url": metrics.remote_write}},
        feeds={"webhook": [{"url": receiver.url, "secret": "s" * 32}]},
    )
    made.start()
    made.ready()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def agent_file(folder: Path, authority: Authority, broker: Mosquitto, device: Snmpd) -> Path:
    (folder / "rules").mkdir()
    (folder / "rules/hot.yaml").write_text(HOT_ROOM)
    identity = tls(authority, folder, AGENT, "agent")
    return write(
        folder / "agent.yaml",
        {
            "site": SITE,
            "agent": "gw1",
            "collector": {"url": f"mqtts://127.0.0.1:{broker.port}", "tls": identity},
            "inputs": {
                "snmp": {
                    "devices": [
                        {"address": device.address(), "name": "core-v2c", "credential": "v2c"},
                        {"address": device.address("::1"), "name": "core-v3", "credential": "v3"},
                    ],
                    "credentials": [
                        {"name": "v2c", "community": COMMUNITY},
                        {"name": "v3", "user": "sha256aes", "auth": {"sha256": PASSWORD}, "priv": {"aes128": SECRET}},
                    ],
                    "interval": "2s",
                },
                "mqtt_sensor": [
                    {
                        "broker": f"mqtts://127.0.0.1:{broker.port}",
                        "topic": "school/{room}/{device}/state",
                        "tls": identity,
                    }
                ],
            },
            "rules": {"paths": [str(folder / "rules")]},
            "spool": {"path": str(folder / "spool/spool.db")},
        },
    )


@pytest.fixture(scope="module")
def school(folder: Path, agent_file: Path, district: Collector) -> Iterator[Child]:
    made = Child([*FENGHUO, "agent", "run", "-c", str(agent_file)], folder / "agent.log")
    made.start()
    yield made
    made.stop()


def publish(broker: Mosquitto, authority: Authority, folder: Path, celsius: float) -> None:
    """A sensor's message, by Mosquitto's own client."""
    mine = tls(authority, folder, "sensor", "sensor")
    command = [
        need("mosquitto_pub", "mosquitto-clients"), "-h", "127.0.0.1", "-p", str(broker.port), "--cafile", mine["ca"],
        "--cert", mine["certificate"], "--key", mine["key"], "-q", "1", "-t", "school/server-room/t1/state",
        "-m", json.dumps({"temperature": celsius, "humidity": 40}),
    ]  # fmt: skip
    subprocess.run(command, check=True, timeout=20)


def asked(device: Snmpd, oid: str) -> int:
    """One whole number as snmpget prints it."""
    return int(device.ask("snmpget", "-Oqv", oid)[0])


@pytest.mark.parametrize("name", ["core-v2c", "core-v3"])
def test_promql_reads_back_what_snmpd_says(school: Child, metrics: PrometheusServer, device: Snmpd, name: str) -> None:
    def value(metric: str) -> float | None:
        return metrics.value(f'{metric}{{site="{SITE}",agent="gw1",device="{name}",job="snmp"}}')

    wait_for(lambda: value("snmp_up") == 1, "the device to be read", 60)
    index = 1
    selector = f'{{site="{SITE}",device="{name}",ifIndex="{index}"}}'
    wait_for(lambda: metrics.value(f"ifHCInOctets{selector}") is not None, "a port's counter")
    before = asked(device, f"1.3.6.1.2.1.31.1.1.1.6.{index}")
    wait_for(lambda: (metrics.value(f"ifHCInOctets{selector}") or 0) >= before, "a later poll")
    shown = metrics.value(f"ifHCInOctets{selector}")
    assert shown is not None
    assert before <= shown <= asked(device, f"1.3.6.1.2.1.31.1.1.1.6.{index}")
    assert metrics.value(f"ifAdminStatus{selector}") == asked(device, f"1.3.6.1.2.1.2.2.1.7.{index}")
    assert metrics.value(f"ifHighSpeed{selector}") == asked(device, f"1.3.6.1.2.1.31.1.1.1.15.{index}")
    uptime = value("sysUpTime")
    assert uptime is not None
    assert abs(uptime - asked(device, "1.3.6.1.2.1.1.3.0")) < 1000


def test_a_hot_room_is_told_in_both_languages_and_when_it_cools(
    school: Child, district: Collector, broker: Mosquitto, authority: Authority, folder: Path, receiver: Receiver
) -> None:
    wait_for(lambda: "gw1" in district.metrics(), "the agent to be heard of")

    def hot() -> bool:
        publish(broker, authority, folder, 35.5)
        return "t1 温度 35.5 °C" in receiver.text()

    wait_for(hot, "the alert to be posted", 30)
    assert "t1 at 35.5 °C" in receiver.text()
    wait_for(
        lambda: publish(broker, authority, folder, 21) or '"resolved"' in receiver.text(), "the end to be posted", 30
    )


def test_the_latest_values_can_be_scraped(school: Child, district: Collector) -> None:
    wait_for(lambda: "snmp_up{" in district.metrics(), "values to scrape")
    (line,) = [
        line for line in district.metrics().splitlines() if line.startswith("snmp_up{") and 'device="core-v3"' in line
    ]
    assert f'site="{SITE}"' in line
    assert line.split("} ")[1].startswith("1 ")


def test_one_round_prints_readings_and_fails_where_a_device_does_not_answer(agent_file: Path, device: Snmpd) -> None:
    command = [*FENGHUO, "agent", "once", "-c", str(agent_file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    readings = [json.loads(line) for line in done.stdout.splitlines()]
    ports = [reading for reading in readings if reading["name"] == "interface"]
    assert {port["labels"]["device"] for port in ports} == {"core-v2c", "core-v3"}
    assert all(port["labels"]["site"] == SITE for port in ports)
    silent = agent_file.with_name("silent.yaml")
    silent.write_text(agent_file.read_text().replace(f"127.0.0.1:{device.port}", "127.0.0.1:9"))
    failed = subprocess.run([sys.executable, "-m", "fenghuo", "agent", "once", "-c", str(silent), "--json"], capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert failed.returncode == 1
    assert "127.0.0.1:9" in failed.stderr
    assert "Traceback" not in failed.stderr
