"""Log sources and field names of Sigma on our events, by the pipeline file."""

from pathlib import Path

import pytest

from fenghuo.errors import Located
from fenghuo.rules.detection import View, compile_detection
from fenghuo.rules.files.load import read_rules
from fenghuo.rules.sigma import detection_of
from fenghuo.rules.sigma.pipeline import read_pipeline


def ecs(dataset, **fields):
    return {"event": {"dataset": dataset}, **fields}


QUESTION = {"dns": {"question": {"name": "evil.example", "type": "TXT"}}}
SOURCES = [
    ({"category": "dns"}, {"query": "evil.example"}, ecs("dns", **QUESTION)),
    ({"category": "dns"}, {"query": "evil.example"}, ecs("zeek.dns", query="evil.example")),
    ({"category": "dns"}, {"QueryName": "evil.example"}, {"network": {"protocol": "dns"}, **QUESTION}),
    ({"category": "dns"}, {"record_type": "TXT"}, QUESTION),
    ({"category": "network", "service": "dns"}, {"dns.question.name": "evil.example"}, ecs("dns", **QUESTION)),
    (
        {"category": "network", "service": "dns"},
        {"dns.response.code": "NXDOMAIN"},
        ecs("dns", dns={"response_code": "NXDOMAIN"}),
    ),
    (
        {"category": "firewall"},
        {"dst_port": 23, "action": "accept"},
        ecs("firewall", destination={"port": 23}) | {"event": {"dataset": "firewall", "action": "accept"}},
    ),
    (
        {"category": "firewall"},
        {"dst_port": 23, "action": "forward"},
        {"event": {"category": ["network"], "type": ["connection", "allowed"]}, "destination": {"port": 23}},
    ),
    (
        {"category": "firewall"},
        {"dst_ip": "1.2.3.4", "blocked": True},
        {"event": {"dataset": "pfsense.log", "type": ["denied"]}, "destination": {"ip": "1.2.3.4"}},
    ),
    ({"category": "firewall"}, {"blocked": "false"}, ecs("cisco.asa", blocked=False)),
    ({"category": "network_connection"}, {"DestinationPort": 22}, ecs("flow", destination={"port": 22})),
    ({"service": "netflow"}, {"destination.port": 22}, ecs("netflow.log", destination={"port": 22})),
    (
        {"category": "proxy"},
        {"c-uri|contains": "/x", "cs-method": "POST"},
        ecs("squid.log", url={"original": "http://a/x"}, http={"request": {"method": "POST"}}),
    ),
    ({"category": "proxy"}, {"c-useragent|startswith": "curl"}, ecs("http", user_agent={"original": "curl/8"})),
    (
        {"category": "proxy"},
        {"cs-host": "evil.example", "sc-status": 200},
        ecs("zeek.http", url={"domain": "evil.example"}, http={"response": {"status_code": 200}}),
    ),
    ({"category": "webserver"}, {"cs-uri-query|contains": "../"}, ecs("nginx.access", url={"original": "/a?f=../x"})),
    ({"product": "apache"}, {"": "segfault"}, ecs("apache.error", message="a segfault")),
    (
        {"product": "zeek", "service": "http"},
        {"uri|endswith": ".exe", "host": "a.example"},
        ecs("zeek.http", url={"original": "/b.exe", "domain": "a.example"}),
    ),
    (
        {"product": "zeek", "service": "dns"},
        {"id.resp_p": 53, "qtype_name": "TXT"},
        ecs("zeek.dns", destination={"port": 53}, **QUESTION),
    ),
    ({"product": "zeek", "service": "dns"}, {"id.resp_p": 53}, ecs("zeek.dns", **{"id.resp_p": 53})),
    ({"product": "zeek", "service": "dns"}, {"id.resp_p": 53}, ecs("zeek.dns", id={"resp_p": 53})),
    ({"product": "zeek", "service": "dns"}, {"Z": 1}, ecs("zeek.dns", zeek={"dns": {"Z": 1}})),
    (
        {"product": "zeek", "service": "conn"},
        {"id.orig_h|cidr": "10.0.0.0/8"},
        ecs("zeek.conn", source={"ip": "10.1.1.1"}),
    ),
    (
        {"product": "zeek", "service": "ssl"},
        {"server_name|endswith": ".example"},
        ecs("zeek.ssl", tls={"client": {"server_name": "a.example"}}),
    ),
    (
        {"product": "zeek", "service": "x509"},
        {"certificate.serial": "8BB00EE"},
        ecs("zeek.x509", tls={"server": {"x509": {"serial_number": "8BB00EE"}}}),
    ),
    (
        {"product": "zeek", "service": "dhcp"},
        {"mac": "00:11:22:33:44:55"},
        ecs("zeek.dhcp", client={"mac": "00:11:22:33:44:55"}),
    ),
    (
        {"product": "zeek", "service": "ssh"},
        {"auth_success": "F"},
        {"event": {"dataset": "zeek.ssh", "outcome": "failure"}},
    ),
    (
        {"product": "zeek", "service": "rdp"},
        {"id.orig_h|neq|cidr": "10.0.0.0/8"},
        ecs("zeek.rdp", source={"ip": "8.8.8.8"}),
    ),
    (
        {"product": "zeek", "service": "smb_files"},
        {"name": "samr", "path|endswith": "IPC$"},
        ecs("zeek.smb_files", file={"name": "samr", "path": "\\\\h\\IPC$"}),
    ),
    (
        {"product": "zeek", "service": "kerberos"},
        {"request_type": "TGS", "cipher": "rc4-hmac"},
        ecs("zeek.kerberos", zeek={"kerberos": {"request_type": "TGS", "cipher": "rc4-hmac"}}),
    ),
    (
        {"product": "zeek", "service": "dce_rpc"},
        {"operation|startswith": "Efs"},
        ecs("zeek.dce_rpc", operation="EfsRpcOpenFileRaw"),
    ),
    ({"product": "zeek", "service": "ntlm"}, {"username": "bob"}, ecs("zeek.ntlm", user={"name": "bob"})),
    ({"product": "zeek", "service": "files"}, {"sha1": "ff"}, ecs("zeek.files", file={"hash": {"sha1": "ff"}})),
    (
        {"product": "zeek", "service": "notice"},
        {"note": "Scan::Port_Scan"},
        ecs("zeek.notice", rule={"name": "Scan::Port_Scan"}),
    ),
    (
        {"product": "zeek", "service": "smtp"},
        {"mailfrom": "a@b.c"},
        ecs("zeek.smtp", email={"from": {"address": ["a@b.c"]}}),
    ),
    ({"product": "zeek", "service": "ftp"}, {"command": "STOR"}, ecs("zeek.ftp", command="STOR")),
    (
        {"product": "cisco", "service": "aaa"},
        {"": "clear logging"},
        {"observer": {"vendor": "Cisco"}, "message": "cmd=clear logging <cr>"},
    ),
    (
        {"product": "cisco", "service": "bgp"},
        {"": "IP-TCP-3-BADAUTH"},
        ecs("cisco_ios.log", message="%IP-TCP-3-BADAUTH: x"),
    ),
    (
        {"product": "cisco", "service": "duo"},
        {"reason": "denied"},
        {"event": {"dataset": "cisco_duo.auth", "reason": "denied"}},
    ),
    (
        {"product": "cisco", "service": "syslog"},
        {"": "%SYS-5-CONFIG_P"},
        ecs("syslog", device={"manufacturer": "Cisco Systems"}, message="%SYS-5-CONFIG_P: x"),
    ),
    ({"product": "huawei", "service": "bgp"}, {"": "BGP_AUTH_FAILED"}, ecs("huawei.vrp", message="BGP_AUTH_FAILED")),
    (
        {"product": "juniper", "service": "bgp"},
        {"": "missing MD5 digest"},
        {"observer": {"vendor": "Juniper Networks"}, "message": "missing MD5 digest"},
    ),
    (
        {"product": "fortigate", "service": "event"},
        {"action": "Add", "cfgpath": "system.admin"},
        ecs("fortinet_fortigate.log", action="Add", cfgpath="system.admin"),
    ),
    (
        {"category": "appliance", "product": "paloalto", "service": "globalprotect"},
        {"": "unmarshal"},
        ecs("panw.panos", message="failed to unmarshal session"),
    ),
    ({"product": "mikrotik"}, {"": "login failure"}, ecs("mikrotik.log", message="login failure for user admin")),
    ({"product": "suricata", "service": "dns"}, {"dns.rrname": "evil.example"}, ecs("suricata.dns", **QUESTION)),
    (
        {"category": "ids"},
        {"alert.signature|contains": "TROJAN"},
        {"event": {"category": ["intrusion_detection"]}, "rule": {"name": "ET TROJAN x"}},
    ),
    ({"category": "dhcp"}, {"mac": "00:11:22:33:44:55"}, ecs("dhcp", source={"mac": "00:11:22:33:44:55"})),
    (
        {"category": "authentication"},
        {"action": "failure"},
        {"event": {"category": ["authentication"], "outcome": "failure"}},
    ),
    (
        {"product": "linux", "service": "sshd"},
        {"": "Failed to generate"},
        {"process": {"name": "sshd"}, "message": "Failed to generate curve25519 keys"},
    ),
    ({"product": "linux", "service": "auth"}, {"": "pkexec"}, ecs("system.auth", message="pkexec: x")),
    ({"product": "linux"}, {"": "rm -rf"}, ecs("syslog", message="rm -rf /")),
    ({"service": "syslog"}, {"": "x"}, {"log": {"syslog": {"priority": 13}}, "message": "x"}),
    ({"category": "vpn"}, {"user": "bob"}, ecs("openvpn.log", user={"name": "bob"})),
    (
        {"category": "antivirus"},
        {"Signature|contains": "Eicar", "Filename|endswith": ".com"},
        {"event": {"category": ["malware"]}, "rule": {"name": "Eicar-Test"}, "file": {"path": "/tmp/e.com"}},
    ),
    (
        {"category": "application", "product": "django"},
        {"": "SuspiciousOperation"},
        ecs("django", message="SuspiciousOperation at /"),
    ),
    ({"category": "application", "product": "opencanary"}, {"logtype": 4002}, ecs("opencanary.events", logtype=4002)),
    ({"product": "fenghuo", "service": "snmp.trap"}, {"a": 1}, ecs("snmp.trap", a=1)),
]


@pytest.mark.parametrize(
    ("logsource", "fields", "event"), SOURCES, ids=[f"{source} {list(fields)}" for source, fields, _ in SOURCES]
)
def test_a_log_source_finds_its_events_and_their_fields(matches, logsource, fields, event):
    selection = [fields[""]] if "" in fields else fields
    detection = {"selection": selection, "condition": "selection"}
    assert matches(detection, event, logsource=logsource)
    other = {
        **event,
        "event": {**event.get("event", {}), "dataset": "sensor.humidity", "category": ["host"], "type": ["info"]},
    }
    for key in ("network", "process", "observer", "log", "device"):
        other.pop(key, None)
    stays = any(key in other for key in ("dns", "http", "tls")) or logsource == {"product": "fenghuo"}
    assert stays or not matches(detection, other, logsource=logsource)


def test_a_value_that_ecs_words_otherwise_is_found_by_ecs_s_word_only_there(matches):
    detection = {"selection": {"action": "drop"}, "condition": "selection"}
    source = {"logsource": {"category": "firewall"}}
    assert matches(detection, {"event": {"dataset": "firewall", "type": ["denied"]}}, **source)
    assert matches(detection, {"event": {"dataset": "firewall", "action": "drop"}}, **source)
    assert not matches(detection, {"event": {"dataset": "firewall", "type": ["allowed"]}}, **source)
    assert matches(detection, {"event": {"dataset": "firewall", "action": "denied"}}, **source)
    assert not matches(detection, {"event": {"dataset": "firewall", "action": "allowed"}}, **source)


@pytest.mark.parametrize(
    ("logsource", "reason"),
    [
        (
            "{category: process_creation, product: windows}",
            "windows/process_creation events: none reads the logs of Windows hosts",
        ),
        ("{product: windows, service: security}", "windows/security events: none reads the logs of Windows hosts"),
        ("{product: windows, category: dns_query}", "windows/dns_query events: none reads the logs of Windows hosts"),
        ("{product: Windows}", "windows events: none reads the logs of Windows hosts"),
        ("{product: linux, category: process_creation}", "linux/process_creation events: none looks into hosts"),
        ("{product: linux, service: auditd}", "linux/auditd events: none reads Linux's audit records"),
        ("{product: aws, service: cloudtrail}", "aws/cloudtrail events: none reads the audit logs of this cloud"),
        ("{category: file_event}", "file_event events: none looks into hosts"),
        ("{product: acme}", "acme events, and no pipeline file maps them"),
        ("{product: zeek, category: process_creation}", "zeek/process_creation events: none looks into hosts"),
        ("{category: dns, product: acme}", "acme/dns events, and no pipeline file maps them"),
    ],
)
def test_a_log_source_that_no_input_produces_is_told_in_words(read, logsource, reason):
    result = read(f"title: t\nlogsource: {logsource}\ndetection: {{s: {{a: 1}}, condition: s}}")
    assert not result.problems
    assert result.inapplicable[0].reason.startswith(f"no input of Fenghuo produces {reason}")


def test_what_is_wrong_with_a_rule_is_told_even_where_it_could_not_apply(read):
    result = read("title: t\nlogsource: {product: windows}\ndetection: {s: {a|foo: 1}, condition: s}")
    assert "unknown modifier" in result.problems[0].message


def test_fields_of_the_taxonomy_ecs_are_taken_as_they_stand(read):
    text = "title: t\ntaxonomy: {}\nlogsource: {{category: dns}}\ndetection: {{s: {{query: x}}, condition: s}}"
    meets = compile_detection(read(text.format("ecs")).rules[0].node)
    assert meets(View({**QUESTION, "query": "x"}))
    assert not meets(View({"dns": {"question": {"name": "x"}}}))
    assert "taxonomy 'ocsf'" in read(text.format("ocsf")).inapplicable[0].reason


PIPELINE = """
pipeline: a site's own
logsources:
  - logsource: {product: acme}
    where:
      - event.dataset: [acme.log]
      - observer.vendor: Acme
    fields: {who: user.name}
  - logsource: {category: dns}
    where:
      - event.dataset: our.dns
placeholders:
  Servers: [srv*, nas]
  Listed: {file: names.txt}
"""


def test_a_site_s_own_pipeline_adds_sources_and_goes_before_ours(read):
    rule = "title: t\nlogsource: {product: acme}\ndetection: {s: {who|expand: '%Servers%'}, condition: s}"
    meets = compile_detection(read(rule, PIPELINE.replace("  Listed: {file: names.txt}\n", "")).rules[0].node)
    assert meets(View(ecs("acme.log", user={"name": "srv1"})))
    assert meets(View({"observer": {"vendor": "acme"}, "who": "NAS"}))
    assert not meets(View(ecs("other", who="nas")))
    dns = "title: t\nlogsource: {category: dns}\ndetection: {s: {query: x}, condition: s}"
    meets = compile_detection(read(dns, PIPELINE.replace("  Listed: {file: names.txt}\n", "")).rules[0].node)
    assert meets(View(ecs("our.dns", dns={"question": {"name": "x"}})))
    assert not meets(View(ecs("dns", dns={"question": {"name": "x"}})))


def test_a_pipeline_file_may_name_lists_in_files(tmp_path, read):
    (tmp_path / "names.txt").write_text("# hosts\nsrv1\n\nsrv2\n")
    (tmp_path / "site.yml").write_text(PIPELINE)
    rule = "title: t\nlogsource: {product: acme}\ndetection: {s: {who|expand: '%Listed%'}, condition: s}"
    meets = compile_detection(read(rule, pipelines=[tmp_path / "site.yml"]).rules[0].node)
    assert [meets(View(ecs("acme.log", who=name))) for name in ("srv1", "srv2", "srv3", "# hosts")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_pipeline_among_the_rule_files_holds_for_all_of_them(tmp_path):
    (tmp_path / "names.txt").write_text("srv1\n")
    (tmp_path / "site.yml").write_text(PIPELINE)
    (tmp_path / "rule.yml").write_text(
        "title: t\nlogsource: {product: acme}\ndetection: {s: {who|expand: '%Listed%'}, condition: s}"
    )
    loaded, problems = read_rules([tmp_path])
    assert not problems
    assert [rule.title for rule in loaded.rules] == ["t"]
    (tmp_path / "site.yml").write_text(PIPELINE.replace("fields: {who: user.name}", "fields: {who: [5]}"))
    loaded, problems = read_rules([tmp_path])
    assert [(problem.place.line, "expected" in problem.message) for problem in problems] == [(8, True)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("logsources: 5", 1, "expected a list"),
        ("logsources:\n  - {where: [{a: 1}]}", 2, "it names no logsource"),
        ("logsources:\n  - logsource: {product: a}", 2, "either `where`"),
        ("logsources:\n  - logsource: {product: a}\n    where: [{'a|foo': 1}]", 3, "unknown modifier"),
        ("logsources:\n  - logsource: {prodct: a}\n    where: [{a: 1}]", 2, "unknown attribute 'prodct'"),
        ("logsources:\n  - logsource: {product: a}\n    where: [{a: 1}]\n    uses: [x]", 4, "there is no map 'x'"),
        ("logsources:\n  - logsource: {product: a}\n    absnt: x", 3, "unknown key 'absnt'"),
        ("fields: {a: [1]}", 1, "expected"),
        ("feilds: {}", 1, "unknown key 'feilds'"),
        ("placeholders: {a: {file: nowhere}}", 1, "cannot read the list"),
        ("placeholders: {a: [[]]}", 1, "expected a text"),
        ("[", 1, ""),
    ],
)
def test_a_mistake_in_a_pipeline_file_is_told_where_it_stands(tmp_path, text, line, message):
    file = tmp_path / "p.yml"
    file.write_text(text)
    with pytest.raises(Located) as caught:
        read_pipeline(file)
    problem = caught.value.problems[0]
    assert problem.place.file == str(file)
    assert problem.place.line == line or message == ""
    assert message in problem.message


def test_a_wrong_pipeline_document_is_a_problem_of_the_set(read):
    result = read("pipeline: x\nlogsources: 5")
    assert [problem.place.file for problem in result.problems] == ["file0.yml"]


def test_native_rules_ask_for_log_sources_and_detections_too():
    node = detection_of({"category": "dns"}, {"s": {"query": "x"}, "condition": "s"})
    assert compile_detection(node)(View(ecs("dns", dns={"question": {"name": "x"}})))
    assert compile_detection(detection_of({"category": "dns"}, None))(View(ecs("dns")))
    assert compile_detection(detection_of({}, {"s": {"a": 1}, "condition": "s"}))(View({"a": 1}))
    with pytest.raises(ValueError, match="no input of Fenghuo"):
        detection_of({"product": "windows"}, None)
    with pytest.raises(ValueError, match="unknown modifier"):
        detection_of({}, {"s": {"a|foo": 1}, "condition": "s"})


def test_the_shipped_pipeline_names_every_source_once():
    from fenghuo.rules.sigma.pipeline import SHIPPED

    assert Path(SHIPPED).is_file()
    seen = set()
    for entry in read_pipeline(SHIPPED).entries:
        keys = tuple(sorted((key, values) for key, values in entry.of.items()))
        assert keys not in seen, entry.of
        seen.add(keys)
