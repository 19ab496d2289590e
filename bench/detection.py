"""What it costs to find the rules that an event is about: mixed rules over DNS, firewall, Zeek and login events, one core.

python bench/detection.py [--events 20000] [--rules 100,1000] [--json] [--profile]

Rules are made as Sigma rules of these sources look: a data set, then names, ports, addresses, texts; few match.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import string
import time
from collections.abc import Callable, Mapping
from typing import Any

from fenghuo.rules.detection import EventIndex, Node, View, read_where

Document = dict[str, Any]
INTERNAL = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
WORDS = ("update", "mail", "login", "cdn", "img", "api", "static", "edu", "school", "video", "game", "pay", "cloud")
ENDINGS = ("com", "cn", "com.cn", "edu.cn", "net", "org", "io", "top", "xyz")
SERVICES = ("http", "tls", "dns", "ssh", "smb", "rdp", "ntp", "ftp")


def host(chance: random.Random) -> str:
    name = "".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 10)))
    return f"{chance.choice(WORDS)}.{name}.{chance.choice(ENDINGS)}"


def inside(chance: random.Random) -> str:
    return f"10.{chance.randrange(8)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def outside(chance: random.Random) -> str:
    return f"{chance.randrange(20, 120)}.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def common(chance: random.Random, dataset: str, category: str, action: str) -> Document:
    """What all events have: nine fields on top of the shared ones of source and destination."""
    source, destination = inside(chance), outside(chance)
    return {
        "@timestamp": "2026-03-02T08:15:30.123Z",
        "ecs": {"version": "9.1.0"},
        "event": {
            "id": f"{chance.getrandbits(128):032x}",
            "kind": "event",
            "category": [category],
            "type": ["info"],
            "dataset": dataset,
            "module": dataset.partition(".")[0],
            "action": action,
            "outcome": chance.choice(("success", "failure")),
        },
        "observer": {"name": "gw1", "type": "sensor", "vendor": "Fenghuo", "ip": ["10.0.0.1", "fe80::1"]},
        "organization": {"id": "bj/haidian/zgc-no1", "name": "zgc-no1"},
        "source": {"ip": source, "port": chance.randrange(1024, 65536), "mac": "02-00-5E-10-00-01", "bytes": 812},
        "destination": {"ip": destination, "port": chance.choice((53, 80, 443, 22, 3389, 8080)), "bytes": 4021},
        "network": {"transport": "udp" if dataset.endswith("dns") else "tcp", "bytes": 4833, "direction": "outbound"},
    }


def dns(chance: random.Random) -> Document:
    document = common(chance, "zeek.dns", "network", "query")
    name = host(chance)
    document["dns"] = {
        "question": {"name": name, "type": chance.choice(("A", "AAAA", "TXT", "HTTPS")), "class": "IN"},
        "response_code": chance.choice(("NOERROR", "NXDOMAIN")),
        "answers": [{"data": outside(chance), "ttl": 60, "type": "A"}, {"data": outside(chance), "ttl": 60}],
    }
    return document


def firewall(chance: random.Random) -> Document:
    document = common(chance, "cisco.asa", "network", chance.choice(("accept", "deny", "drop")))
    document["cisco"] = {"asa": {"message_id": chance.choice(("106023", "302013", "302014", "605005"))}}
    document["message"] = f"Deny tcp src inside:{inside(chance)}/4432 dst outside:{outside(chance)}/443 by access-group"
    document["log"] = {"level": "warning", "syslog": {"priority": 164}}
    return document


def conn(chance: random.Random) -> Document:
    document = common(chance, "zeek.conn", "network", "connection")
    document["network"]["protocol"] = chance.choice(SERVICES)
    document["zeek"] = {"connection": {"state": chance.choice(("SF", "S0", "REJ")), "history": "ShADadFf"}}
    return document


def web(chance: random.Random) -> Document:
    document = common(chance, "zeek.http", "web", "request")
    document["url"] = {"domain": host(chance), "path": f"/{chance.choice(WORDS)}/{chance.randrange(99999)}.html"}
    document["http"] = {
        "request": {"method": chance.choice(("GET", "POST"))},
        "response": {"status_code": chance.choice((200, 200, 304, 404, 500))},
    }
    document["user_agent"] = {"original": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0"}
    return document


def tls(chance: random.Random) -> Document:
    document = common(chance, "zeek.ssl", "network", "handshake")
    document["tls"] = {
        "client": {"server_name": host(chance), "ja3": f"{chance.getrandbits(128):032x}"},
        "version": "1.3",
        "established": True,
    }
    return document


def login(chance: random.Random) -> Document:
    document = common(chance, "system.auth", "authentication", "ssh_login")
    document["user"] = {"name": chance.choice(("root", "admin", "zhang", "li", "wang", "backup"))}
    document["process"] = {"name": "sshd", "pid": chance.randrange(65536)}
    document["message"] = f"Failed password for root from {inside(chance)} port 51122 ssh2"
    return document


SOURCES = (dns, firewall, conn, web, tls, login)


def events(count: int, seed: int = 7) -> list[Document]:
    chance = random.Random(seed)
    return [chance.choice(SOURCES)(chance) for _ in range(count)]


def word(chance: random.Random) -> str:
    """A text of which no event of ours knows."""
    return "".join(chance.choices("qxzvkjw", k=chance.randint(4, 9)))


def dns_rule(chance: random.Random) -> Mapping[str, Any]:
    name = "dns.question.name"
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {f"{name}|endswith": [f".{word(chance)}.com" for _ in range(chance.randint(1, 40))]},
        lambda: {f"{name}|contains": [word(chance) for _ in range(chance.randint(1, 6))]},
        lambda: {f"{name}": [f"{word(chance)}.{word(chance)}.net" for _ in range(chance.randint(1, 20))]},
        lambda: {f"{name}|re": f"^[a-z0-9]{{{chance.randint(30, 50)}}}\\.{word(chance)}"},
        lambda: {f"{name}": [f"*.{word(chance)}.*", f"{word(chance)}*"], "dns.question.type": "TXT"},
        lambda: {"dns.question.type": "NULL", f"{name}|endswith": f".{word(chance)}"},
        lambda: {"dns.answers.data|cidr": outside(chance) + "/24"},
        lambda: {"dns.response_code": "REFUSED", "source.ip|cidr|neq": INTERNAL},
    ]
    return {"event.dataset": ["dns", "zeek.dns"], **chance.choice(shapes)()}


def firewall_rule(chance: random.Random) -> Mapping[str, Any]:
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {"event.action": ["deny", "drop"], "destination.port": chance.sample(range(1, 50_000), 4)},
        lambda: {"cisco.asa.message_id": str(chance.randint(100_000, 800_000))},
        lambda: {"message|contains": [word(chance), word(chance)]},
        lambda: {"message|contains|all": [word(chance), "access-group"]},
        lambda: {"event.action": "accept", "destination.ip|cidr": [outside(chance) + "/24" for _ in range(3)]},
    ]
    return {"event.dataset": "cisco.asa", **chance.choice(shapes)()}


def conn_rule(chance: random.Random) -> Mapping[str, Any]:
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {"destination.port": chance.sample(range(1, 50_000), 3), "network.protocol": "unknown"},
        lambda: {"network.protocol": chance.choice(("irc", "socks", "modbus")), "destination.ip|cidr|neq": INTERNAL},
        lambda: {"destination.port": chance.randrange(1, 50_000), "source.ip|cidr": INTERNAL},
        lambda: {"zeek.connection.history|startswith": "^" + word(chance)},
        lambda: {"source.bytes|gte": chance.randrange(10**8, 10**9), "destination.ip|cidr|neq": INTERNAL},
    ]
    return {"event.dataset": "zeek.conn", **chance.choice(shapes)()}


def web_rule(chance: random.Random) -> Mapping[str, Any]:
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {"user_agent.original|contains": [word(chance) for _ in range(chance.randint(1, 15))]},
        lambda: {"url.path|endswith": [f"/{word(chance)}.php", f"/{word(chance)}.aspx"], "http.request.method": "POST"},
        lambda: {"url.domain|endswith": f".{word(chance)}.cn"},
        lambda: {"http.response.status_code": chance.randint(510, 599)},
        lambda: {"user_agent.original|re|i": f"{word(chance)}/[0-9]+\\.[0-9]+"},
    ]
    return {"event.dataset": "zeek.http", "event.category": "web", **chance.choice(shapes)()}


def tls_rule(chance: random.Random) -> Mapping[str, Any]:
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {"tls.client.ja3": [f"{chance.getrandbits(128):032x}" for _ in range(10)]},
        lambda: {"tls.client.server_name|endswith": [f".{word(chance)}.{ending}" for ending in ENDINGS]},
        lambda: {"tls.version": "1.0", "destination.port": chance.randrange(1, 50_000)},
        lambda: {"tls.client.server_name|exists": False, "destination.port|gte": 50_000},
    ]
    return {"event.dataset": "zeek.ssl", **chance.choice(shapes)()}


def login_rule(chance: random.Random) -> Mapping[str, Any]:
    shapes: list[Callable[[], Mapping[str, Any]]] = [
        lambda: {"user.name": [word(chance), word(chance)], "event.outcome": "failure"},
        lambda: {"user.name|startswith": f"svc-{word(chance)}", "source.ip|cidr|neq": INTERNAL},
        lambda: {"message|contains": f"accepted publickey for {word(chance)}"},
        lambda: {"process.name": word(chance), "message|contains|all": [word(chance), "failed"]},
    ]
    return {"event.category": "authentication", **chance.choice(shapes)()}


def rules(count: int, seed: int = 3) -> list[tuple[Node, int]]:
    """Mixed rules, and one in fifty that matches now and then."""
    chance = random.Random(seed)
    shapes = (dns_rule, firewall_rule, conn_rule, web_rule, tls_rule, login_rule)
    matching: tuple[Mapping[str, Any], ...] = (
        {"event.dataset": "zeek.dns", "dns.question.type": "TXT", "dns.response_code": "NXDOMAIN"},
        {"event.category": "authentication", "user.name": "backup", "event.outcome": "failure"},
        {"event.dataset": "cisco.asa", "event.action": "deny", "destination.port": 3389},
    )
    found: list[tuple[Node, int]] = []
    for number in range(count):
        shape = matching[number // 50 % len(matching)] if number % 50 == 0 else shapes[number % len(shapes)](chance)
        found.append((read_where(shape), number))
    return found


def measure(count: int, documents: list[Document]) -> dict[str, float]:
    made = rules(count)
    build = time.process_time()
    index = EventIndex(made)
    build = time.process_time() - build
    for document in documents[:500]:
        index.matching(View(document))
    matches = 0
    spent = time.process_time()
    for document in documents:
        matches += len(index.matching(View(document)))
    spent = time.process_time() - spent
    return {
        "rules": count,
        "events": len(documents),
        "matches_per_event": round(matches / len(documents), 3),
        "us_per_event": round(spent * 1e6 / len(documents), 2),
        "events_per_cpu_second": round(len(documents) / spent),
        "build_ms": round(build * 1e3, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rules", default="100,1000")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    documents = events(options.events)
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    results = [measure(int(count), documents) for count in options.rules.split(",")]
    if options.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    for result in results:
        if options.json:
            print(json.dumps(result))
        else:
            print(", ".join(f"{name} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
