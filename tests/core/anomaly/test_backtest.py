"""`fenghuo rules backtest`: a file through the detector."""

from __future__ import annotations

import csv
import io
import json
import random
import time

import pytest
from typer.testing import CliRunner

from fenghuo.errors import Located
from fenghuo.rules.anomaly import Detector
from fenghuo.rules.tools.backtest import Recorded, backtest
from fenghuo.rules.tools.cli import app

RULE = """
title: Unusual load
id: 00000000-0000-4000-8000-00000000ab01
name: test.unusual-load
kind: anomaly
data: load
direction: down
"""
OTHER = """
title: Hot
id: 00000000-0000-4000-8000-00000000ab02
name: test.hot
kind: threshold
data: x
condition: value > 1
"""


def values(count=800, spike=700):
    rng = random.Random(1)
    found = [rng.gauss(50, 3) for _ in range(count)]
    found[spike] = 130.0
    return found


def write(path, rows, header="timestamp,value"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def series(tmp_path):
    rows = [f"2024-03-{1 + i // 288:02} {i % 288 // 12:02}:{i % 12 * 5:02}:00,{value!r}" for i, value in enumerate(values())]  # fmt: skip
    return write(tmp_path / "series.csv", rows)


def invoke(*arguments, stdin=None):
    return CliRunner().invoke(app, ["backtest", *arguments], input=stdin)


def rows_of(result):
    return list(csv.reader(io.StringIO(result.stdout)))


def test_each_line_comes_out_with_score_and_alert(series):
    result = invoke(series, "--csv")
    assert result.exit_code == 0
    rows = rows_of(result)
    assert rows[0] == ["timestamp", "value", "score", "alert"]
    assert len(rows) == 801
    assert [row[1] for row in rows[1:]] == [repr(value) for value in values()]
    assert rows[1][0] == "2024-03-01 00:00:00"
    assert [i for i, row in enumerate(rows[1:]) if row[3] == "1"] == [700]
    assert all(0.0 <= float(row[2]) <= 1.0 and row[2] == repr(float(row[2])) for row in rows[1:])


def test_it_says_the_same_as_the_detector(series):
    detector = Detector()
    expected = [detector.see(1_709_251_200_000 + i * 300_000, value).score for i, value in enumerate(values())]
    assert [float(row[2]) for row in rows_of(invoke(series, "--csv"))[1:]] == expected


def test_for_people_it_lists_the_alerts_with_their_explanation(series):
    result = invoke(series)
    assert result.exit_code == 0
    assert "800 lines" in result.stdout
    assert "2024-03-03 10:20:00" in result.stdout
    assert "is usual" in result.stdout
    assert result.stdout.rstrip().endswith("1 alert")


def test_as_json_it_is_one_document(series):
    document = json.loads(invoke(series, "--json").stdout)
    assert document["lines"] == 800
    assert [alert["value"] for alert in document["alerts"]] == [130.0]


@pytest.mark.parametrize(
    "written",
    [
        lambda second: f"2024-03-01T00:{second // 60:02}:{second % 60:02}Z",
        lambda second: f"2024-03-01 00:{second // 60:02}:{second % 60:02}",
        lambda second: f"2024-03-01T08:{second // 60:02}:{second % 60:02}+08:00",
        lambda second: str(1_709_251_200 + second),
        lambda second: f"{1_709_251_200 + second}.0",
        lambda second: str((1_709_251_200 + second) * 1000),
    ],
)
def test_every_way_to_write_a_time_is_read_alike_and_kept_as_it_was(written):
    lines = ["timestamp,value", *(f"{written(i * 10)},{i}" for i in range(300))]
    found = list(backtest(lines, Detector(), Recorded()))
    assert [line.time for line in found] == [1_709_251_200_000 + i * 10_000 for i in range(300)]
    assert [line.written for line in found] == [written(i * 10) for i in range(300)]


def test_columns_are_found_by_name(tmp_path):
    file = write(tmp_path / "a.csv", ["1,x,5", "2,x,6"], "Value,Label,TimeStamp")
    assert [row[:2] for row in rows_of(invoke(file, "--csv"))[1:]] == [["5", "1.0"], ["6", "2.0"]]


@pytest.mark.parametrize("text", ["", "NaN", "null", "inf", "-"])
def test_a_missing_value_has_no_score(tmp_path, text):
    file = write(tmp_path / "a.csv", ["1,5", f"2,{text}", "3,6"])
    result = invoke(file, "--csv")
    assert result.exit_code == 0
    assert rows_of(result)[2] == ["2", "", "0.0", "0"]


def test_a_wrong_line_is_told_at_its_place_and_the_rest_goes_on(tmp_path):
    file = write(tmp_path / "a.csv", ["1,5", "yesterday,6", "3,six", "4", "5,7"])
    result = invoke(file, "--csv")
    assert result.exit_code == 1
    assert len(rows_of(result)) == 6
    assert f"{file}:3:1: 'yesterday' is no time" in result.stderr
    assert f"{file}:4:3: 'six' is no number" in result.stderr
    assert f"{file}:5:1: 1 fields where 2 are needed" in result.stderr


def test_a_file_without_the_columns_is_refused_at_its_first_line(tmp_path):
    with pytest.raises(Located, match=r"f.csv:1:1: no column 'value'"):
        list(backtest(["timestamp,number"], Detector(), Recorded(), file="f.csv"))
    empty = write(tmp_path / "empty.csv", [], header="")
    assert invoke(empty).exit_code == 1


@pytest.mark.parametrize(
    "text", ["\x00\x00,\x00", '"' + "x" * 200_000, "9" * 400 + ",1", "1,1e999", "99999999999999999999,1", "٣,٤"]
)
def test_hostile_lines_stop_nothing(tmp_path, text):
    file = write(tmp_path / "a.csv", ["1,5", text, "3,6"])
    result = invoke(file, "--csv")
    assert result.exit_code in {0, 1}
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_line_too_long_to_be_read_comes_out_too(tmp_path):
    file = write(tmp_path / "a.csv", ["1,5", "2," + "9" * 200_000, "3,6"])
    result = invoke(file, "--csv")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == ["1,5.0,0.0,0", ",,0.0,0", "3,6.0,0.0,0"]


def test_a_file_that_is_not_there_is_said(tmp_path):
    result = invoke(str(tmp_path / "nothing.csv"))
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_a_rule_s_options_are_used(series, tmp_path):
    (tmp_path / "rules.yaml").write_text(RULE + "---" + OTHER)
    for name in ("test.unusual-load", "00000000-0000-4000-8000-00000000ab01"):
        result = invoke(series, "--rules", str(tmp_path / "rules.yaml"), "--rule", name)
        assert result.exit_code == 0
        assert result.stdout.rstrip().endswith("0 alerts")


def test_a_rule_that_is_none_or_of_another_kind_is_said(series, tmp_path):
    (tmp_path / "rules.yaml").write_text(RULE + "---" + OTHER)
    unknown = invoke(series, "--rules", str(tmp_path / "rules.yaml"), "--rule", "nothing")
    assert unknown.exit_code == 2
    assert "is not among the rules" in unknown.stderr
    assert "test.unusual-load" in unknown.stderr
    assert "is no anomaly rule" in invoke(series, "--rules", str(tmp_path / "rules.yaml"), "--rule", "test.hot").stderr


def test_lines_stream_quickly():
    lines = ["timestamp,value", *(f"2024-03-{1 + i // 1440:02} {i % 1440 // 60:02}:{i % 60:02}:00,{v}" for i, v in enumerate(values(20_000)))]  # fmt: skip
    began = time.process_time()
    for line in backtest(lines, Detector(), Recorded()):
        assert line.score.score >= 0
    assert len(lines) / (time.process_time() - began) > 15_000  # 40,000 are the goal, on a machine that is not shared
