"""What `fenghuo agent once` prints."""

from __future__ import annotations

import io
import json

import pytest

from fenghuo.model import AgentId, Asset, Layout, Table
from fenghuo_agent.once import printer_for

GATEWAY = AgentId.parse("bj/haidian/zgc-no1/gw1")


def layout(name: str, rows: list[dict[str, str]], fields: tuple[str, ...], job: str = "snmp") -> Layout:
    own = {"job": job, "instance": "10.0.0.1", "device": "sw1"}
    names = dict.fromkeys(name for row in rows for name in row)
    return Layout(name, own, {name: [row.get(name, "") for row in rows] for name in names}, fields)


def ports() -> Table:
    rows = [{"ifName": "Gi1/0/1", "ifAlias": "三楼 教室"}, {"ifName": "Gi1/0/2", "ifAlias": "office"}]
    return Table(
        layout("interface", rows, ("ifInOctets", "ifInErrors", "never")), 1000, ((5, 1234), (0, None), (None, None))
    )


def system() -> Table:
    return Table(layout("system", [{}], ("snmp_up", "duration")), 1000, ((1,), (0.25,)))


def printed(*tables: Table, as_json: bool = False) -> str:
    out = io.StringIO()
    printer = printer_for(GATEWAY, out, as_json=as_json)
    for table in tables:
        printer.table(table)
    printer.asset(Asset("snmp:10.0.0.1", 1000, {"message": "sw1 (10.0.0.1): Comware 7"}))
    printer.finish()
    return out.getvalue()


def test_readings_stand_under_their_device_in_columns():
    assert printed(system(), ports()).splitlines() == [
        "asset  sw1 (10.0.0.1): Comware 7",
        "",
        "sw1  10.0.0.1  snmp",
        "  system",
        "    snmp_up   1",
        "    duration  0.25",
        "  interface (2 rows)",
        "    ifName   ifAlias    ifInOctets  ifInErrors",
        "    Gi1/0/1  三楼 教室           5           0",
        "    Gi1/0/2  office           1234           -",
    ]


def test_the_agent_s_own_metrics_come_last_without_what_is_zero():
    own = layout("fenghuo_agent", [{}, {"state": "up"}, {"le": "0.1"}], ("x_total", "devices"), job="fenghuo_agent")
    text = printed(Table(own, 1000, ((0, None, 7), (None, 3, None))), system())
    assert text.index("sw1  10.0.0.1  snmp") < text.index("fenghuo_agent")
    assert "x_total" not in text
    assert "devices{state=up}  3" in text


def test_json_is_a_row_a_line():
    lines = [json.loads(line) for line in printed(ports(), as_json=True).splitlines()]
    assert [line["name"] for line in lines] == ["interface", "interface", "asset"]
    assert lines[1]["labels"]["agent"] == "gw1"
    assert lines[1]["values"] == {"ifInOctets": 1234}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_round_without_anything_prints_no_rubbish(as_json):
    out = io.StringIO()
    printer_for(GATEWAY, out, as_json=as_json).finish()
    assert out.getvalue() == ""
