"""Agent → Mosquitto → collector → Prometheus over an outage: what is live comes at once, what waited at its own times."""

from __future__ import annotations

from pathlib import Path

from servers.mosquitto import Mosquitto
from servers.process import wait_for
from servers.prometheus import PrometheusServer, prometheus

from .loaded_agent import PORTS
from .world import SITE, collector, loaded_agent, now

HOUR = 3600
PORT = f'ifHCInOctets{{site="{SITE}",agent="gw1",device="sw",ifIndex="%s"}}'


def samples(server: PrometheusServer, port: int) -> dict[int, float]:
    return server.samples(PORT % port, now() - 2 * HOUR * 1000, now())


def test_an_hour_of_backlog_arrives_at_its_own_times_and_holds_up_nothing_live(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with prometheus(tmp_path / "prometheus") as server:
        district = collector(
            tmp_path / "collector",
            broker={"url": f"mqtt://127.0.0.1:{broker.port}", "retry_max": "1s", "keepalive": "2s"},
            sinks={"sqlite": {}, "prometheus": {"url": server.remote_write}},
        )
        # A backlog that takes its time: what is live has to pass it.
        slow = {"batch": {"values": 960}, "spool": {"path": str(tmp_path / "agent/spool.db"), "backfill_after": "2s"}}
        school = loaded_agent(tmp_path / "agent", broker.port, rate=20, **slow)
        district.start()
        district.ready()
        school.start()
        try:
            wait_for(lambda: len(samples(server, 1)) > 5, "live values")
            district.stop()
            school.stop()
            school.command.append(str(HOUR))
            school.start()
            began = now()
            wait_for(lambda: len([time for time in school.tables() if time > began]) > 80, "seconds of outage")
            back = now()
            district.start()
            district.ready()
            wait_for(lambda: max(samples(server, 1), default=0) > back, "what is live", 20)
            wait_for(
                lambda: set(school.tables()) - set(samples(server, 1)) <= recent(school.tables()), "the backlog", 40
            )
        finally:
            school.stop()
            district.stop()
        for port in (1, len(PORTS)):
            found = samples(server, port)
            assert {time: value for time, value in found.items() if value != time + port - 1} == {}
            times = [time for time in school.tables() if time < back]
            assert set(times) <= found.keys()
            minutes = {time // 60_000 for time in times}
            assert len(minutes) >= HOUR // 60
            for minute in minutes:
                at = max(time for time in times if time // 60_000 == minute)
                assert server.value(PORT % port, at) == at + port - 1


def recent(times: list[int]) -> set[int]:
    """Those that may be on their way."""
    return {time for time in times if time > now() - 3_000}
