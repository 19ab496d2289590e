"""`fenghuo rules backtest`: a recorded series through the anomaly detector, line by line."""

from __future__ import annotations

import csv
import datetime as dt
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple, TextIO

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_error, print_json, say
from fenghuo.errors import Located, Permanent, Place, Problem
from fenghuo.packs import packs_path
from fenghuo.rules.anomaly import CounterRate, Detector, Options, Score

COLUMNS = ("timestamp", "value")
MISSING = frozenset({"", "nan", "null", "none", "na", "n/a", "-"})
MAX_PROBLEMS = 20
MAX_SHOWN = 100
_BATCH = 1000
_MILLISECONDS_FROM = 1e11
"""Unix times from here on are milliseconds: as seconds they would lie beyond the year 5000."""
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_NOTHING = Score(math.nan)


class Line(NamedTuple):
    """One line of the file. `written`: its timestamp as it stands there; `value` None: missing, or the line is wrong."""

    written: str
    time: int
    value: float | None
    score: Score


@dataclass
class Recorded:
    """What a backtest met. `problems`: the first of the `refused` lines."""

    lines: int = 0
    missing: int = 0
    not_newer: int = 0
    refused: int = 0
    first: int = 0
    last: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])

    def refuse(self, problem: Problem) -> None:
        self.refused += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def backtest(
    lines: Iterable[str], detector: Detector, recorded: Recorded, *, file: str = "-", counter: CounterRate | None = None
) -> Iterator[Line]:
    """Stream a `timestamp,value` file through a detector: one `Line` for each line after the header, in constant memory.

    Lines of which nothing can be made are noted in `recorded` with their place and come out without a value; `Located`
    where the header does not name the columns. `counter`: the values are a counter's.
    """
    rows = _rows(lines, recorded, file)
    nothing: tuple[list[str], int] = ([], 1)
    time_at, value_at = _columns(next(rows, nothing), file)
    width = max(time_at, value_at) + 1
    read_time, last, see = _time_reader(), None, detector.see
    for row, number in rows:
        recorded.lines += 1
        if not row:
            yield Line("", 0, None, _NOTHING)
            continue
        if len(row) < width:
            recorded.refuse(_problem(file, number, 1, f"{len(row)} fields where {width} are needed"))
            yield Line(",".join(row), 0, None, _NOTHING)
            continue
        written, text = row[time_at], row[value_at]
        try:
            time = read_time(written)
        except (ValueError, OverflowError, OSError):
            recorded.refuse(_bad_time(file, number, row, time_at))
            yield Line(written, 0, None, _NOTHING)
            continue
        try:
            value = float(text)
        except ValueError:
            value = None
            if text.strip().lower() not in MISSING:
                recorded.refuse(_problem(file, number, _column_of(row, value_at), f"{text[:40]!r} is no number"))
                yield Line(written, time, None, _NOTHING)
                continue
        if value is None or not math.isfinite(value):
            recorded.missing += 1
            yield Line(written, time, None, _NOTHING)
            continue
        if last is None:
            recorded.first = time
        elif time <= last:
            recorded.not_newer += 1
            yield Line(written, time, value, _NOTHING)
            continue
        recorded.last = last = time
        if counter is None:
            yield Line(written, time, value, see(time, value))
        else:
            yield Line(written, time, value, see(time, counter.see(time, value)))


def _rows(lines: Iterable[str], recorded: Recorded, file: str) -> Iterator[tuple[list[str], int]]:
    """The rows that hold anything, with the number of their line; one that cannot be read is empty."""
    reader = csv.reader(lines)
    while True:
        try:
            for row in reader:
                if row:
                    yield row, reader.line_num
        except csv.Error as error:
            recorded.refuse(_problem(file, reader.line_num, 1, str(error)))
            yield [], reader.line_num
        else:
            return


def _columns(header: tuple[list[str], int], file: str) -> tuple[int, int]:
    names = [name.strip().lower() for name in header[0]]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise Located([_problem(file, header[1], 1, f"no column {missing[0]!r}", "the first line is timestamp,value")])
    return names.index("timestamp"), names.index("value")


def _time_reader() -> Callable[[str], int]:
    """A function from a timestamp to Unix milliseconds. What has no time zone is UTC."""
    utc = dt.UTC
    parse = dt.datetime.fromisoformat

    def read(text: str) -> int:
        if "-" not in text[1:]:
            return _unix(text)
        moment = parse(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=utc)
        return round(moment.timestamp() * 1000)

    return read


def _unix(text: str) -> int:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > 32:
        raise ValueError(text)
    number = float(text)
    return round(number if abs(number) >= _MILLISECONDS_FROM else number * 1000)


def _bad_time(file: str, number: int, row: Sequence[str], column: int) -> Problem:
    hint = "ISO 8601, YYYY-MM-DD HH:MM:SS, or Unix seconds or milliseconds"
    return _problem(file, number, _column_of(row, column), f"{row[column][:40]!r} is no time", hint)


def _column_of(row: Sequence[str], field_: int) -> int:
    return sum(len(text) + 1 for text in row[:field_]) + 1


def _problem(file: str, line: int, column: int, message: str, hint: str = "") -> Problem:
    return Problem(Place(file, line, column), message, hint)


# The subcommand


def backtest_file(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE.csv", help="A file with the columns timestamp and value; - for standard input."),
    ],
    rule: Annotated[
        str | None, typer.Option(metavar="ID", help="Judge as this anomaly rule does: its id or name.")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Where the rule is, beside the shipped packs.")
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print timestamp,value,score,alert, a line for each line.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Try the anomaly detector on a recorded series; exit status 1 where lines were wrong."""
    options, counts = _options(rule, rules or [])
    recorded = Recorded()
    detector = Detector(options)
    counter = CounterRate() if counts else None
    try:
        with _opened(file) as stream:
            lines = backtest(stream, detector, recorded, file=file, counter=counter)
            if as_csv:
                _write_csv(lines, sys.stdout)
            else:
                _summarise(lines, detector, recorded, as_json=as_json)
    except Located as error:
        print_error(error)
        raise typer.Exit(1) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror or error}", param_hint="FILE.csv") from None
    if recorded.problems:
        print_error(Located(recorded.problems))
        if recorded.refused > len(recorded.problems):
            say(f"… and {recorded.refused - len(recorded.problems)} more lines of which nothing could be made")
        raise typer.Exit(1)


def _opened(file: str) -> TextIO:
    if file == "-":
        return open(sys.stdin.fileno(), encoding="utf-8-sig", errors="replace", newline="", closefd=False)
    return Path(file).open(encoding="utf-8-sig", errors="replace", newline="")


def _write_csv(lines: Iterable[Line], stream: TextIO) -> None:
    stream.write("timestamp,value,score,alert\n")
    batch: list[str] = []
    for written, _, value, score in lines:
        text = "" if value is None else repr(value)
        batch.append(f"{_quoted(written)},{text},{score.score!r},{'1' if score.alert else '0'}\n")
        if len(batch) >= _BATCH:
            stream.write("".join(batch))
            batch.clear()
    stream.write("".join(batch))
    stream.flush()


def _quoted(text: str) -> str:
    if "," in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _summarise(lines: Iterable[Line], detector: Detector, recorded: Recorded, *, as_json: bool) -> None:
    alerts: list[Line] = []
    told = 0
    for line in lines:
        if line.score.alert:
            told += 1
            if len(alerts) < MAX_SHOWN:
                alerts.append(line)
    if as_json:
        print_json(_document(alerts, told, detector, recorded))
        return
    write = sys.stdout.write
    write(f"{recorded.lines:,} lines: {recorded.missing:,} without a value, {recorded.refused:,} wrong, ")
    write(f"{recorded.not_newer:,} not newer than the one before\n")
    if recorded.lines:
        days = (recorded.last - recorded.first) / 86_400_000
        season = ("no season", "a season of the day", "a season of the week")[detector.mode]
        write(f"{days:.1f} days, a value each {detector.step / 1000:g} s, {season}\n")
    for line in alerts:
        write(f"{line.written}  {line.value!r}  score {line.score.score:.3f}  {line.score.reason}\n")
    if told > len(alerts):
        write(f"… and {told - len(alerts):,} more\n")
    write(f"{told:,} {'alert' if told == 1 else 'alerts'}\n")


def _document(alerts: Sequence[Line], told: int, detector: Detector, recorded: Recorded) -> dict[str, object]:
    return {
        "lines": recorded.lines,
        "missing": recorded.missing,
        "refused": recorded.refused,
        "not_newer": recorded.not_newer,
        "step_seconds": detector.step / 1000,
        "season": (None, "day", "week")[detector.mode],
        "alerts_told": told,
        "alerts": [
            {
                "timestamp": line.written,
                "value": line.value,
                "score": line.score.score,
                "probability": line.score.probability,
                "expected": line.score.expected,
                "low": line.score.low,
                "high": line.score.high,
                "reason": line.score.reason,
                "reason_zh": line.score.reason_zh,
            }
            for line in alerts
        ],
    }


def _options(wanted: str | None, paths: Sequence[Path]) -> tuple[Options, bool]:
    """The options of the rule that is wanted, and whether it reads counters; exit status 2 where there is none."""
    if wanted is None:
        return Options(), False
    from fenghuo.rules.files.load import read_rules  # noqa: PLC0415 — as above
    from fenghuo.rules.kinds.anomaly import AnomalyBody  # noqa: PLC0415 — the kinds load slowly, and a file needs none

    shipped = packs_path()
    found, problems = read_rules([*paths, *([shipped] if shipped.is_dir() else [])])
    named = [each for each in found.rules if isinstance(each.body, AnomalyBody)]
    for each in named:
        if wanted in (each.id, each.name) and isinstance(each.body, AnomalyBody):
            return each.body.options, each.body.counter
    if problems and not named:
        print_error(Located(problems))
    other = any(wanted in (each.id, each.name) for each in found.rules)
    names = ", ".join(each.name for each in named[:10]) or "none"
    what = "is no anomaly rule" if other else "is not among the rules"
    print_error(Permanent(f"--rule: {wanted!r} {what}; anomaly rules here: {names}"))
    raise typer.Exit(2)
