"""The Grafana dashboard of one school, as code: `python dashboards/school.py` writes `school.json` beside it."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HERE = '{site="$site"}'
FILE = Path(__file__).with_suffix(".json")

STATS = {
    "设备在线 Devices up": f"sum(snmp_up{HERE})",
    "设备断开 Devices down": f"count(snmp_up{HERE} == 0) or vector(0)",
    "在用端口 Ports up": f"count(ifOperStatus{HERE} == 1)",
    "最高温度 Hottest sensor": f"max(sensor_temperature_celsius{HERE})",
}
LINES = {
    "最忙的端口(接收) Busiest ports, in": (
        f"topk(8, rate(ifHCInOctets{HERE}[$__rate_interval]) * 8)",
        "{{device}} {{ifName}} {{ifAlias}}",
        "bps",
    ),
    "最忙的端口(发送) Busiest ports, out": (
        f"topk(8, rate(ifHCOutOctets{HERE}[$__rate_interval]) * 8)",
        "{{device}} {{ifName}} {{ifAlias}}",
        "bps",
    ),
    "错误最多的端口 Ports with most errors": (
        f"topk(8, rate(ifInErrors{HERE}[$__rate_interval]) + rate(ifOutErrors{HERE}[$__rate_interval]) > 0)",
        "{{device}} {{ifName}}",
        "pps",
    ),
    "温度 Temperature": (f"sensor_temperature_celsius{HERE}", "{{device}} {{sensor}}", "celsius"),
    "湿度 Humidity": (f"sensor_humidity_percent{HERE}", "{{device}}", "percent"),
    "轮询耗时 Time of a poll": (f"snmp_scrape_duration_seconds{HERE}", "{{device}}", "s"),
}
DOWN = f"snmp_up{HERE} == 0"


def build() -> str:
    """The dashboard as Grafana imports it."""
    board = (
        dashboard.Dashboard("烽火 学校总览 School overview")
        .uid("fenghuo-school")
        .tags(["fenghuo"])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("数据源 Data source").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("site").label("站点 Site").datasource(SOURCE).query("label_values(snmp_up, site)")
        )
    )
    for title, query in STATS.items():
        board = board.with_panel(
            stat.Panel().title(title).datasource(SOURCE).span(6).height(4).with_target(_query(query))
        )
    for title, (query, legend, unit) in LINES.items():
        panel = timeseries.Panel().title(title).datasource(SOURCE).unit(unit).min(0).span(12).height(8)
        board = board.with_panel(panel.with_target(_query(query).legend_format(legend)))
    down = table.Panel().title("断开的设备 Devices down").datasource(SOURCE).span(24).height(6)
    board = board.with_panel(down.with_target(_query(DOWN).instant().format("table")))
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board.build()) + "\n"


def _query(expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).ref_id("A")


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")
