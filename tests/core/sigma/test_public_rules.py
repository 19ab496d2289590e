"""All rules of a folder, such as a checkout of SigmaHQ's: each loads, or is listed with a reason."""

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine
from fenghuo.rules.files.load import read_rules

pytestmark = pytest.mark.slow

FOLDER = os.environ.get("SIGMA_RULES", "")
NETWORK = re.compile(
    r"no input of Fenghuo produces (?:(?:zeek|cisco|huawei|juniper|fortigate|fortios|suricata|paloalto|apache|nginx)\b|(?:dns|firewall|proxy|webserver|antivirus)\b)"
)


@pytest.fixture(scope="module")
def loaded():
    if not FOLDER:
        pytest.skip("SIGMA_RULES names no folder with Sigma rules (e.g. a checkout of SigmaHQ/sigma)")
    began = time.process_time()
    rules, problems = read_rules([Path(FOLDER)])
    print(
        f"\n{len(rules.rules)} loaded, {len(rules.inapplicable)} inapplicable, {len(problems)} problems, {time.process_time() - began:.2f} s of CPU"
    )
    for area, count in sorted(Counter(_area(one.place.file) for one in rules.rules).items()):
        print(f"{count:6} loaded        {area}")
    for area, count in sorted(Counter(_area(one.place.file) for one in rules.inapplicable).items()):
        print(f"{count:6} inapplicable  {area}")
    for reason, count in Counter(one.reason.partition(": ")[2] or one.reason for one in rules.inapplicable).most_common(
        40
    ):
        print(f"{count:6} {reason}")
    return rules, problems


def _area(file):
    return "/".join(Path(file).relative_to(FOLDER).parts[:2])


def test_every_rule_loads_or_has_its_reason(loaded):
    rules, problems = loaded
    assert [str(problem) for problem in problems] == []
    assert all(one.reason for one in rules.inapplicable)


def test_every_rule_of_the_network_loads(loaded):
    rules, _ = loaded
    lacking = [(one.place.file, one.reason) for one in rules.inapplicable if NETWORK.search(one.reason)]
    paloalto = [(file, reason) for file, reason in lacking if "file_event" in reason]
    assert lacking == paloalto


def test_all_of_them_run_together(loaded):
    rules, _ = loaded
    engine = Engine(rules, clock=VirtualClock(), agent="bj/school/gw1")
    documents = [
        {
            "event": {"dataset": "dns"},
            "dns": {"question": {"name": f"host{number}.example.org", "type": "A"}},
            "source": {"ip": "10.0.0.1"},
        }
        for number in range(200)
    ]
    documents += [
        {
            "event": {"dataset": "nginx.access"},
            "url": {"original": "/index.php?id=${jndi:ldap://x}"},
            "http": {"request": {"method": "GET"}, "response": {"status_code": 200}},
        },
        {"event": {"dataset": "cisco_ios.log"}, "observer": {"vendor": "Cisco"}, "message": "cmd=no logging <cr>"},
    ]
    for number, document in enumerate(documents):
        engine.event(Event(f"w{number}", 1_690_000_000_000 + number, document))
    began = time.process_time()
    alerts = [
        alert
        for number, document in enumerate(documents)
        for alert in engine.event(Event(f"e{number}", 1_700_000_000_000 + number, document))
    ]
    print(f"\n{len(documents) / (time.process_time() - began):.0f} events/s through {len(rules.rules)} rules")
    titles = {alert.title for alert in alerts}
    assert "Cisco Disabling Logging" in titles
    assert any("Log4" in title or "JNDI" in title for title in titles)
