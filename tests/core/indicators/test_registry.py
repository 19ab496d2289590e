"""Lists are read once, again when they change, beside what is in use; a broken one leaves the old in its place."""

from __future__ import annotations

import os
import threading

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.rules.indicators import Bounds, Indicators, ListSource


class Feeds:
    def __init__(self, folder, **options):
        self.folder = folder
        self.registry = Indicators(clock=VirtualClock(), **options)
        self.handles = {}
        self.written = 0

    def write(self, name, content):
        file = self.folder / name
        file.write_text(content)
        self.written += 1
        os.utime(
            file, ns=(self.written * 10**9, self.written * 10**9)
        )  # written within a tick of the clock, yet another one
        return file

    def use(self, name, content=None, **options):
        file = self.write(name, content) if content is not None else self.folder / name
        handle = self.handles[name] = self.registry.use(ListSource(file=str(file), **options))
        return handle

    def lists(self, name, at=0):
        current = self.registry.current
        return [current.lists[hit.list].name for hit in current.domain(name, at)]

    def problem(self, name):
        return next(each.problem for each in self.registry.status() if each.file.endswith(name))


@pytest.fixture
def feeds(tmp_path):
    made = []

    def make(**options):
        made.append(Feeds(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.registry.close()


def test_a_list_is_read_when_it_is_first_asked_and_once_for_all_rules(feeds):
    feed = feeds()
    first = feed.use("a.txt", "bad.example\n")
    assert feed.use("a.txt") is first
    assert feed.lists("bad.example") == ["a"]
    assert feed.registry.reloads == 1
    feed.use("b.txt", "bad.example\n")
    assert feed.lists("bad.example") == ["a", "b"]


def test_in_the_background_the_old_set_answers_until_the_new_one_is_whole(feeds):
    going, reached = threading.Event(), threading.Event()

    def rest(seconds):
        reached.set()
        assert going.wait(10)

    feed = feeds(background=True, rest=rest)
    feed.use("a.txt", "\n".join(f"n{number}.example" for number in range(1000)))
    assert feed.registry.refresh()
    assert reached.wait(10)
    assert feed.lists("n1.example") == []
    assert feed.registry.refresh()
    going.set()
    assert feed.registry.wait(10)
    assert feed.lists("n1.example") == ["a"]
    assert not feed.registry.refresh()


def test_reading_in_the_background_rests_often(feeds):
    rests = []
    feed = feeds(background=True, rest=rests.append)
    feed.use("a.txt", "\n".join(f"n{number}.example" for number in range(10_000)))
    feed.registry.refresh()
    assert feed.registry.wait(10)
    assert len(rests) >= 100


def test_a_changed_file_is_taken_up_and_the_other_lists_are_not_read_again(feeds, monkeypatch):
    feed = feeds()
    feed.use("a.txt", "one.example\n")
    feed.use("b.txt", "two.example # with a description\n")
    assert feed.lists("one.example") == ["a"]
    feed.write("a.txt", "three.example\n")
    (feed.folder / "b.txt").rename(feed.folder / "kept")
    (feed.folder / "kept").rename(feed.folder / "b.txt")
    opened = []
    import fenghuo.rules.indicators.readers as module

    real = module.read_entries
    monkeypatch.setattr(module, "read_entries", lambda stream, *rest: opened.append(stream.name) or real(stream, *rest))
    feed.registry.load()
    assert [feed.lists(name) for name in ("one.example", "two.example", "three.example")] == [[], ["b"], ["a"]]
    assert feed.registry.current.domain("two.example", 0)[0].description == "with a description"
    assert [name.rpartition("/")[2] for name in opened] == ["a.txt"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"type": "bundle", "objects": [{"type": "indicator", "pattern_type": "stix", "pattern": "[domain-name:value = \'new.example\']"}, {"ty', "no valid JSON"),
        ('{"type": "bundle", "objects": [{"type": "indicator", "pattern": "nonsense"}]}', "no indicator is left in it, 1 entries are refused"),
        ("", "no valid JSON"),
        (None, "cannot be read: No such file"),
    ],
)  # fmt: skip
def test_a_broken_file_leaves_the_former_list_in_use_and_says_so(feeds, content, reason):
    feed = feeds()
    good = '{"type": "bundle", "objects": [{"type": "indicator", "pattern_type": "stix", "pattern": "[domain-name:value = \'%s\']"}]}'
    feed.use("a.json", good % "bad.example")
    feed.use("b.txt", "two.example\n")
    assert feed.lists("bad.example") == ["a"]
    if content is None:
        (feed.folder / "a.json").unlink()
    else:
        feed.write("a.json", content)
    feed.write("b.txt", "two.example\nthree.example\n")
    feed.registry.load()
    assert [feed.lists(name) for name in ("bad.example", "new.example", "three.example")] == [["a"], [], ["b"]]
    assert reason in feed.problem("a.json")
    assert "former content stays in use" in feed.problem("a.json")
    reloads = feed.registry.reloads
    feed.registry.load()
    assert feed.registry.reloads == reloads  # it is not tried again until it changes
    feed.write("a.json", good % "new.example")
    feed.registry.load()
    assert [feed.lists(name) for name in ("bad.example", "new.example")] == [[], ["a"]]
    assert feed.problem("a.json") == ""


def test_a_list_that_is_broken_from_the_start_is_used_as_far_as_it_goes(feeds):
    feed = feeds()
    feed.use(
        "a.json",
        '{"type": "bundle", "objects": [{"type": "indicator", "pattern": "[domain-name:value = \'bad.example\']"}, {"ty',
    )
    assert feed.lists("bad.example") == ["a"]
    assert "what could be read is in use" in feed.problem("a.json")


def test_a_file_that_is_written_while_it_is_read_is_read_again_later(feeds):
    feed = feeds(rest=lambda _: None, background=True)
    feed.use("a.txt", "one.example\n")
    feed.registry.load()
    feed.write("a.txt", "\n".join(f"n{number}.example" for number in range(1000)))
    rested = []

    def rest(seconds):
        if not rested:
            feed.write("a.txt", "last.example\n")
        rested.append(seconds)

    feed.registry._rest = rest
    assert feed.registry.refresh()
    assert feed.registry.wait(10)
    assert feed.lists("one.example") == ["a"]
    assert "written while it was read" in feed.problem("a.txt")
    assert feed.registry.refresh()
    assert feed.registry.wait(10)
    assert [feed.lists(name) for name in ("one.example", "last.example")] == [[], ["a"]]


def test_a_file_that_another_takes_the_place_of_while_it_is_read_is_whole_and_the_other_is_next(feeds):
    feed = feeds(rest=lambda _: None, background=True)
    feed.use("a.txt", "\n".join(f"n{number}.example" for number in range(1000)))
    replaced = []

    def rest(seconds):
        if not replaced:
            feed.write("b.txt", "last.example\n").rename(feed.folder / "a.txt")
        replaced.append(seconds)

    feed.registry._rest = rest
    for expected in ((["a"], []), ([], ["a"])):
        assert feed.registry.refresh()
        assert feed.registry.wait(10)
        assert (feed.lists("n999.example"), feed.lists("last.example")) == expected
    assert feed.problem("a.txt") == ""


def test_a_list_that_no_rule_names_any_more_is_let_go(feeds):
    feed = feeds()
    feed.use("a.txt", "one.example\n")
    feed.use("b.txt", "two.example\n")
    assert feed.lists("one.example") == ["a"]
    del feed.handles["a.txt"]
    feed.registry.load()
    assert len(feed.registry.current) == 1
    assert [each.name for each in feed.registry.status()] == ["b"]


def test_more_than_the_bound_is_left_out_and_said(feeds):
    feed = feeds(bounds=Bounds(indicators=10))
    feed.use("a.txt", "\n".join(f"n{number}.example" for number in range(20)))
    feed.use("b.txt", "other.example\n")
    assert (feed.lists("n9.example"), feed.lists("n10.example"), feed.lists("other.example")) == (["a"], [], [])
    assert "more than 10 indicators" in feed.registry.full
    assert [each.indicators for each in feed.registry.status()] == [10, 0]


def test_refusals_are_told_in_the_status(feeds):
    feed = feeds()
    feed.use("a.txt", "bad.example\nnonsense\n")
    feed.lists("x")
    (status,) = feed.registry.status()
    assert (status.indicators, dict(status.refused.counts)) == (1, {"no domain": 1})
    assert status.refused.examples["no domain"][0].line == 2


def test_closing_gives_up_what_is_being_read(feeds):
    feed = feeds(background=True, rest=lambda _: feed.registry._closing.wait(10))
    feed.use("a.txt", "\n".join(f"n{number}.example" for number in range(1000)))
    feed.registry.refresh()
    feed.registry.close()
    assert feed.registry.reloads == 0
