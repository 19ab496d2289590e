from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from pydantic import Field, ValidationError
from school import Community, School, problems_of, read

from fenghuo.config import Secret, Section

HIDDEN = "hunter2-correct-horse"


def appearances(value):
    yield from (
        str(value),
        repr(value),
        f"{value}",
        f"{value!r}",
        f"{[value]}",
        json.dumps([value], default=str),
    )


def test_a_secret_shows_itself_nowhere_but_by_reveal():
    secret = Secret(HIDDEN)
    for shown in appearances(secret):
        assert HIDDEN not in shown
    assert secret.reveal() == HIDDEN


def test_a_section_shows_its_secrets_nowhere():
    school = read(f"site: x\ntoken: {HIDDEN}\ninputs: {{snmp: {{credentials: [{{community: {HIDDEN}}}]}}}}")
    dumps = [school.model_dump(), school.model_dump(mode="json"), school.model_dump_json(), vars(school)]
    for value in (school, school.inputs, *dumps):
        for shown in appearances(value):
            assert HIDDEN not in shown
    assert school.token is not None
    assert school.token.reveal() == HIDDEN


def test_a_refused_section_shows_no_secret():
    with pytest.raises(ValidationError) as caught:
        Community(community=Secret(HIDDEN), other=HIDDEN)
    assert HIDDEN not in str(caught.value)
    assert HIDDEN not in repr(caught.value)


def test_secrets_are_equal_by_their_text_only():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert copy.deepcopy(Secret("a")) == Secret("a")
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


def test_a_secret_is_taken_from_a_file_beside_the_configuration(tmp_path):
    (tmp_path / "token").write_text(HIDDEN + "\n")
    school = read("site: x\ntoken_file: token", tmp_path)
    assert school.token == Secret(HIDDEN)


def test_a_secret_is_taken_from_systemd_credentials(tmp_path):
    (tmp_path / "token").write_text(HIDDEN)
    school = read("site: x\ntoken_file: ${CREDENTIALS_DIRECTORY}/token", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert school.token == Secret(HIDDEN)


def test_only_the_last_line_break_of_a_secret_file_goes(tmp_path):
    (tmp_path / "token").write_bytes(b" two\nlines \r\n")
    assert read("site: x\ntoken_file: token", tmp_path).token == Secret(" two\nlines ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 70000, "too long"),
        (None, "No such file"),
    ],
)
def test_an_unusable_secret_file_is_an_error_at_its_key(tmp_path, content, words):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    (problem,) = problems_of("site: x\ntoken_file: token", tmp_path)
    assert problem.startswith("2:13: token_file: ")
    assert words in problem


def test_a_folder_is_no_secret_file(tmp_path):
    (problem,) = problems_of("site: x\ntoken_file: .", tmp_path)
    assert "cannot read the file .: Is a directory" in problem


@pytest.mark.parametrize("value", ["", "''", "[a]", "{a: b}", "~"])
def test_the_name_of_a_secret_file_must_be_one(value):
    (problem,) = problems_of(f"site: x\ntoken_file: {value}")
    assert "expected the name of a file" in problem


def test_a_secret_is_given_once(tmp_path):
    (tmp_path / "token").write_text(HIDDEN)
    (problem,) = problems_of("site: x\ntoken: y\ntoken_file: token", tmp_path)
    assert "in place or by file, not both" in problem


def test_a_missing_secret_names_both_ways_to_give_it():
    (problem,) = problems_of("site: x\ninputs: {snmp: {credentials: [{}]}}")
    assert "'community' or 'user' is missing" in problem


def test_an_empty_secret_is_refused():
    assert problems_of("site: x\ntoken: ''") == ["2:8: token: the secret is empty"]


def test_a_secret_of_digits_stays_as_written():
    token = read("site: x\ntoken: 0012").token
    assert token is not None
    assert token.reveal() == "0012"


@pytest.mark.parametrize(
    "text",
    [
        "site: x\ntoken: *hunter2-correct-horse",
        "site: x\ntoken: &hunter2-correct-horse {a: &hunter2-correct-horse b}",
        "site: x\ntoken: !hunter2-correct-horse x",
        "site: x\ntoken: !!hunter2-correct-horse x",
        "site: x\ntoken: !hunter2-correct-horse!x y",
        "site: x\ntoken: [hunter2-correct-horse]",
        "site: x\ntoken: 'hunter2-correct-horse",
        'site: x\ntoken: "\\hunter2-correct-horse"',
        "site: x\ntoken: hunter2-correct-horse: y",
        "site: x\ntoken: @hunter2-correct-horse",
        "site: x\ntoken: %hunter2-correct-horse",
        "site: x\ntoken: {hunter2-correct-horse",
        "site: x\nport: hunter2-correct-horse",
        "site: x\nenabled: hunter2-correct-horse",
        "site: x\ncap: hunter2-correct-horse",
        "site: x\ninputs: {snmp: {interval: hunter2-correct-horse, version: hunter2-correct-horse}}",
        "site: x\ninputs: {snmp: {credentials: [hunter2-correct-horse]}}",
        "site: x\ninputs: {snmp: {credentials: [{comunity: hunter2-correct-horse}]}}",
        "site: x\ninputs: {snmp: {credentials: {community: hunter2-correct-horse}}}",
        "site: x\ninputs: {sensors: [{kind: hunter2-correct-horse}]}",
        "site: x\ntoken: hunter2-correct-horse\n bad: [",
        "site: x\ntoken: hunter2-correct-horse\ntoken: hunter2-correct-horse",
    ],
)
def test_no_error_shows_a_value_of_the_file(text):
    assert not any("hunter2" in problem for problem in problems_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "site: ${KEY} x",
        "site: x\nport: ${KEY}",
        "site: x\ntoken_file: ${KEY}",
        "site: x\ntoken_file: /run/${KEY}/x",
        "site: x\ninputs: {snmp: {interval: '${KEY}', version: '${KEY}'}}",
        "site: x\ninputs: {sensors: [{kind: '${KEY}'}]}",
        "site: x\ninputs: '${KEY}'",
    ],
)
def test_no_error_shows_a_value_of_the_environment(text):
    problems = problems_of(text, KEY=HIDDEN)
    assert problems
    assert not any("hunter2" in problem for problem in problems)


def test_an_error_shows_the_variable_instead_of_its_value():
    (problem,) = problems_of("site: ${KEY} x", KEY=HIDDEN)
    assert problem == "1:7: site: site '${KEY} x' holds a space"


def test_a_short_variable_does_not_garble_the_words_of_an_error():
    assert problems_of("site: x\nport: ${KEY}", KEY="e") == ["2:7: port: expected a whole number"]


def test_secrets_do_not_reach_the_log(caplog):
    school = read(f"site: x\ntoken: {HIDDEN}")
    with caplog.at_level(logging.INFO):
        logging.getLogger(__name__).info("started with %s and %r", school, school.token, extra={"token": school.token})
    assert HIDDEN not in caplog.text


def test_a_field_may_be_named_like_the_file_of_a_secret():
    class Both(Section):
        key: Secret | None = Field(None, description="A key.")
        key_file: str = Field("", description="A file that is no secret's.")

    assert Both(key_file="x").key_file == "x"
    assert School.model_fields["token"].description
