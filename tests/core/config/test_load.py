from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BeforeValidator, Field, model_validator
from school import School, problems_of, read

from fenghuo.config import Section, load, parse
from fenghuo.errors import Located


def test_the_design_example_reads_as_it_is_meant(tmp_path):
    (tmp_path / "community").write_text("school\n")
    school = read(
        """
site: bj/haidian/zgc-no1
inputs:
  snmp:
    discover: [10.20.0.0/22]
    credentials: [{community_file: community}, {user: monitor, auth: {sha256: "${SNMP_AUTH}"}}]
""",
        tmp_path,
        SNMP_AUTH="s3cret",
    )
    assert school.inputs.snmp is not None
    first, second = school.inputs.snmp.credentials
    assert first.community.reveal() == "school"
    assert second.auth.sha256.reveal() == "s3cret"
    assert school.inputs.snmp.interval == 60


ALLOWED = "allowed: anything, cap, enabled, inputs, interfaces, labels, name, port, ratio, site, token, token_file"


def test_all_errors_are_found_at_once_each_at_its_line_and_column():
    assert problems_of(
        """sitee: x
port: 70000
enabled: maybe
inputs:
  snmpp: {}
  snmp:
    interval: 1:30
    version: 2
    discover: 5
    credentials:
      - community: "${COMMUNITY}"
        comunity: 1
      - {user: a, auth: {sha: x}}
port: 3
name:
"""
    ) == [
        "1:1: 'site' is missing",
        "1:1: unknown key 'sitee' (did you mean 'site'? " + ALLOWED + ")",
        "2:7: port: must be at most 65535",
        "3:10: enabled: expected true or false",
        "5:3: inputs: unknown key 'snmpp' (did you mean 'snmp'? allowed: sensors, snmp)",
        "7:15: inputs.snmp.interval: expected a duration such as 500ms, 30s, 5m, 1h30m or 7d",
        "8:14: inputs.snmp.version: expected '1', '2c' or '3' (did you mean '2c'?)",
        "9:15: inputs.snmp.discover: expected a list",
        "11:21: the environment variable COMMUNITY is not set",
        "12:9: inputs.snmp.credentials[0]: unknown key 'comunity' (did you mean 'community'? allowed: community, community_file)",
        "13:26: inputs.snmp.credentials[1].auth: unknown key 'sha' (did you mean 'sha512'? allowed: sha256, sha256_file, sha512, sha512_file)",
        "14:1: 'port' stands twice in one mapping (first in line 2)",
        "15:6: name: expected text, found nothing",
    ]


@pytest.mark.parametrize(
    "word",
    [
        "no",
        "on",
        "off",
        "yes",
        "y",
        "1:30",
        "12:34:56",
        "010",
        "1.10",
        "0x1F",
        "1e3",
        "1_000",
        "true",
        "False",
        "2026-01-01",
        "=",
        "<<x",
        ".5",
        "+5",
        "٣",
    ],
)
def test_where_text_is_wanted_a_word_stays_as_it_was_written(word):
    school = read(f"site: {word}\nname: {word}\ninterfaces: [{word}]\nlabels: {{a: {word}}}")
    assert (school.site, school.name, school.interfaces, school.labels) == (word, word, [word], {"a": word})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("no", "no"),
        ("~", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("0x10", 16),
        ("010", 10),
        ("1:30", "1:30"),
    ],
)
def test_where_anything_is_allowed_yaml_1_2_decides(word, value):
    result = read(f"site: x\nanything: {{a: {word}}}").anything["a"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), ("on", True), ("yes", True), ("off", False), ("no", False), ("'false'", False)]
)
def test_where_a_truth_is_wanted_the_old_words_work(word, value):
    assert read(f"site: x\nenabled: {word}").enabled is value


def test_a_truth_is_no_number():
    assert problems_of("site: x\nport: true\nratio: false") == [
        "2:7: port: expected a whole number",
        "3:8: ratio: expected a number",
    ]


def test_variables_are_put_in_as_they_are():
    school = read(
        'site: "${A}/${B}"\nport: ${PORT}\nenabled: ${E}\nname: a$b$${A}\nlabels: {x: "${A}"}',
        A="a:[${B}]",
        B="b",
        PORT="99",
        E="off",
    )
    assert (school.site, school.port, school.enabled) == ("a:[${B}]/b", 99, False)
    assert school.name == "a$b${A}"
    assert school.labels == {"x": "a:[${B}]"}


def test_comments_and_keys_are_not_searched_for_variables():
    assert read("# ${NOTHING}\nsite: x\nlabels: {'${KEY}': y}").labels == {"${KEY}": "y"}


def test_a_missing_variable_is_pointed_at_within_its_text():
    assert problems_of('site: x\nname: "a ${HOSTNAM} b"', HOSTNAME="h") == [
        "2:10: the environment variable HOSTNAM is not set (did you mean 'HOSTNAME'?)"
    ]


def test_a_variable_of_undecodable_bytes_is_refused():
    value = b"caf\xe9".decode("utf-8", errors="surrogateescape")
    assert problems_of("site: ${SITE}", SITE=value) == ["1:7: the variable's value holds bytes that are no UTF-8 text"]


@pytest.mark.parametrize("text", ["${", "${}", "${1}", "${a b}", "${A:-x}", "a ${"])
def test_a_malformed_variable_is_refused(text):
    (problem,) = problems_of(f"site: '{text}'", A="x")
    assert problem == "1:7: ${ begins no variable (write ${NAME}, or $${ for the characters ${)"


def test_anchors_aliases_and_merges_work():
    school = read(
        "site: x\nanything: {base: &b {a: 1, b: 2}, more: {<<: *b, b: 3}, list: {<<: [*b, {c: 4}]}, same: *b}"
    )
    assert school.anything["more"] == {"a": 1, "b": 3}
    assert school.anything["list"] == {"a": 1, "b": 2, "c": 4}
    assert school.anything["same"] == {"a": 1, "b": 2}


def test_a_merge_of_something_else_is_refused():
    assert problems_of("site: x\nanything: {<<: 5}") == ["2:16: << takes a mapping or a list of mappings"]


def test_of_a_union_the_member_that_was_meant_speaks():
    (problem,) = problems_of("site: x\ninputs: {snmp: {credentials: [{user: a, auth: 5}]}}")
    assert problem == "2:47: inputs.snmp.credentials[0].auth: expected a mapping"


def test_a_union_of_simple_types_names_them_all():
    assert problems_of("site: x\ninterfaces: {a: b}") == ["2:1: interfaces: expected text or a list"]
    assert problems_of("site: x\ninterfaces: [{a: b}]") == ["2:14: interfaces[0]: expected text"]


def test_bounds_are_told_in_plain_words():
    class Bounded(Section):
        a: int = Field(1, gt=0, description="A.")
        b: float = Field(1, lt=5, description="B.")
        c: list[int] = Field([1], min_length=1, max_length=2, description="C.")
        d: str = Field("xx", min_length=2, max_length=3, description="D.")
        e: dict[str, int] = Field({"a": 1}, min_length=1, description="E.")

    with pytest.raises(Located) as caught:
        parse(b"a: 0\nb: 5\nc: []\nd: x\ne: {}", Bounded, env={}, file="f", folder=Path())
    assert [problem.message for problem in caught.value.problems] == [
        "a: must be greater than 0",
        "b: must be less than 5.0",
        "c: must have at least 1 entries, not 0",
        "d: must have at least 2 characters",
        "e: must have at least 1 entries, not 0",
    ]


def test_an_unknown_kind_of_a_tagged_union_names_the_known_ones():
    assert problems_of(
        "site: x\ninputs:\n  sensors:\n    - {kind: brokr, url: x}\n    - {url: x}\n    - {kind: broker}"
    ) == [
        "4:7: inputs.sensors[0]: 'kind' says none of the known kinds (did you mean 'broker'? allowed: broker, replay)",
        "5:7: inputs.sensors[1]: 'kind' is missing (it says which kind this is)",
        "6:7: inputs.sensors[2]: 'url' is missing",
    ]


def test_an_error_about_a_whole_section_is_at_its_key():
    (problem,) = problems_of("site: x\nlabels: {a: b, c: d, e: f, g: h}")
    assert problem == "1:1: more than 3 labels"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: 'site' is missing"),
        ("# nothing\n", "1:1: 'site' is missing"),
        ("- a", "1:1: expected a mapping: lines of `key: value`"),
        ("a", "1:1: expected a mapping: lines of `key: value`"),
        ("~", "1:1: expected a mapping: lines of `key: value`"),
        ("site: x\n\tname: y", "2:1: a tab stands where YAML wants spaces"),
        ("site: a: b", "1:8: not valid YAML: mapping values are not allowed here"),
        ("site: x\n---\nsite: y", "2:1: a second document; one file holds one"),
        ("site: @x", "1:7: a text that begins with this character must be quoted"),
        ("site: *x", "1:7: an alias (*name) without its anchor (&name); quote a text that begins with *"),
        ("site: !!python/name:os.system x", "1:7: this tag is not allowed (plain values, lists and mappings are)"),
        ("site: !!binary x", "1:7: this tag is not allowed (plain values, lists and mappings are)"),
        ("site: x\n? [a]\n: b", "2:3: a key must be plain text"),
        ("site: &a [*a]", "1:7: nested deeper than 40 levels, or an alias within its own anchor"),
        ("site: x\n\x07: y", "2:1: a character that YAML does not allow"),
        ('site: "\\ud800"', "1:7: the text holds a character that is none (NUL or half a surrogate pair)"),
        ('site: "\\0"', "1:7: the text holds a character that is none (NUL or half a surrogate pair)"),
        ('site: x\n"\\ud800": y', "2:1: a key must be plain text"),
        ('site: "\\UFFFFFFFF"', "1:10: not valid YAML"),
    ],
)
def test_what_is_no_configuration_is_refused_at_its_place(text, problem):
    assert problems_of(text) == [problem]


def test_bytes_that_are_no_utf_8_are_refused_at_their_place():
    assert problems_of(b"site: x\nname: \xe4\xb8\xad\xff") == ["2:8: the file is not UTF-8 text"]


def test_a_byte_order_mark_and_windows_line_ends_are_taken():
    assert read("\ufeffsite: x\r\nname: y\r\n".encode()).name == "y"


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (problem,) = problems_of("site: x\nanything:\n" + "\n".join(f"  {line}" for line in lines))
    assert "more than 100000 values" in problem


def test_deep_nesting_is_refused():
    (problem,) = problems_of("site: x\nanything: " + "[" * 5000)
    assert "nested deeper than 40 levels" in problem
    (problem,) = problems_of("site: x\nanything:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 200)))
    assert "nested deeper than 40 levels" in problem


def test_a_huge_file_is_refused_unread():
    (problem,) = problems_of(b"#" * (1 << 20) + b"\n")
    assert problem == " the file is larger than 1 MiB"


def test_a_file_is_loaded_with_its_own_folder(tmp_path):
    (tmp_path / "t").write_text("x")
    (tmp_path / "c.yaml").write_text("site: y\ntoken_file: t\ninputs: {sensors: [{kind: replay, file: log}]}")
    school = load(tmp_path / "c.yaml", School, env={})
    assert school.token is not None
    assert school.inputs.sensors[0].file == tmp_path / "log"


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_cannot_be_read_is_an_error_with_its_name(tmp_path, name):
    with pytest.raises(Located, match="cannot read the configuration") as caught:
        load(tmp_path / name, School, env={})
    assert caught.value.problems[0].place.file == str(tmp_path / name)


def test_an_endless_file_is_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero here")
    with pytest.raises(Located, match="larger than 1 MiB"):
        load(Path("/dev/zero"), School, env={})


def test_problems_hold_no_control_characters():
    for problem in problems_of('site: x\n"\\e[31mred\\n": y\nlabels: {"\\e": []}'):
        assert problem.isprintable()


def test_a_section_is_immutable_and_replaced_whole():
    school = read("site: x")
    with pytest.raises(ValueError, match="frozen"):
        school.name = "y"
    assert school.replace(name="y").name == "y"
    with pytest.raises(ValueError, match="port"):
        school.replace(port=0)


def test_an_option_whose_name_is_a_word_of_python_works_by_its_alias():
    class Inputs(Section):
        self_: int = Field(1, alias="self", description="A number.")

    assert Inputs.model_validate({"self": 2}).replace(self_=3).self_ == 3
    with pytest.raises(Located) as caught:
        parse(b"self: x\nselff: 1", Inputs, env={}, file="f", folder=Path())
    assert [str(problem) for problem in caught.value.problems] == [
        "f:1:7: self: expected a whole number",
        "f:2:1: unknown key 'selff' (did you mean 'self'? allowed: self)",
    ]


def test_a_section_given_in_short_form_has_its_errors_at_the_short_form():
    class Address(Section):
        url: str = Field(pattern="^mqtts?://", description="Where.")

    class File(Section):
        collector: Annotated[Address, BeforeValidator(lambda v: {"url": v} if isinstance(v, str) else v)]

    with pytest.raises(Located) as caught:
        parse(b"collector: http://x", File, env={}, file="f", folder=Path())
    assert str(caught.value) == "f:1:12: collector: must match the pattern ^mqtts?://"


def test_hints_are_given_where_a_section_rewrites_what_it_was_given():
    class Rewriting(Section):
        data: str = Field("x", description="A folder.")
        path: str = Field("", description="A path.")

        @model_validator(mode="before")
        @classmethod
        def _fill(cls, value):
            return {"path": "y", **value}

    with pytest.raises(Located, match=r"1:1: unknown key 'dat' \(did you mean 'data'\? allowed: data, path\)"):
        parse(b"dat: 1", Rewriting, env={}, file="f", folder=Path())
