"""The table of found devices, for people."""

from __future__ import annotations

from fenghuo_agent.discovery.command import table
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.snmp.access import Target


def test_columns_stand_below_each_other_also_after_han_names():
    def found(host: str, name: str) -> Found:
        return Found(
            target=Target(host, 161), credential="community 1", version="2c", how="sweep", name=name, vendor="H3C"
        )

    heads, first, second = table([found("10.0.0.1", "教学楼"), found("10.0.0.2", "lab")])
    assert heads.split()[:3] == ["ADDRESS", "NAME", "VENDOR"]
    assert first.index("H3C") + len("教学楼") == second.index("H3C") == heads.index("VENDOR")


def test_no_device_makes_no_table():
    assert table([]) == []
