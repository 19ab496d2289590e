"""Which conditions are about events of this source at all: decided once for each source, not for each event.

Rules begin with where an event comes from: a data set, a module, a vendor, the mere presence of fields. These are few
fields of few values. So the parts of conditions that ask nothing else are put together into groups, and for each
combination of the fields' values it is remembered which groups apply.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from fenghuo.rules.detection.checks import Affix, Equals, Exists, Glob, Null
from fenghuo.rules.detection.compile import Detection, as_list
from fenghuo.rules.detection.pattern import text_of
from fenghuo.rules.detection.tree import Node, Some, Test, tests_of
from fenghuo.rules.detection.view import View

SOURCES = frozenset(
    {
        "event.dataset",
        "event.module",
        "event.kind",
        "event.category",
        "event.provider",
        "data_stream.dataset",
        "observer.type",
        "observer.vendor",
        "observer.product",
    }
)
"""Fields that say where an event comes from."""
DETAILS = frozenset(
    {
        "agent.type",
        "device.manufacturer",
        "device.model.name",
        "host.os.family",
        "host.os.platform",
        "host.os.type",
        "log.syslog.appname",
        "network.protocol",
        "process.name",
        "service.name",
        "service.type",
    }
)
"""Fields that may say so beside those."""
_MOST = 4_096
"""So many combinations are remembered; then all are forgotten and found anew."""


def is_of_source(part: Node) -> bool:
    """Whether a part of a condition asks only where an event comes from."""
    if not isinstance(part, Test | Some):
        return False
    tests = list(tests_of(part))
    return any(test.field in SOURCES for test in tests) and all(
        isinstance(test.check, Exists | Null)
        or (isinstance(test.check, Equals | Affix | Glob) and (test.field in SOURCES or test.field in DETAILS))
        for test in tests
    )


class Profiles:
    """The groups that apply to an event. `groups`: what each asks of the source, all of it."""

    def __init__(self, groups: Sequence[Detection], tests: Iterable[Test]) -> None:
        self._groups = tuple(groups)
        asked: dict[str, dict[str, set[type]]] = defaultdict(lambda: defaultdict(set))
        for test in tests:
            if test.field is not None:
                asked[test.field.partition(".")[0]][test.field].add(type(test.check))
        presence = {Exists, Null}
        self._roots = [
            (
                root,
                [field for field, checks in fields.items() if checks - presence],
                [field for field, checks in fields.items() if Exists in checks],
                [field for field, checks in fields.items() if Null in checks],
            )
            for root, fields in sorted(asked.items())
        ]
        self._found: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def of(self, view: View) -> tuple[int, ...]:
        """The positions of the groups that apply."""
        key = self._key(view)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MOST:
                self._found.clear()
            found = self._found[key] = tuple(number for number, applies in enumerate(self._groups) if applies(view))
        return found

    def _key(self, view: View) -> tuple[Any, ...]:
        """All that the groups may ask of this event. Events of the same key are the same to them."""
        get, roots = view.get, view.roots
        key: list[Any] = []
        for root, fields, present, empty in self._roots:
            if roots is not None and root not in roots:
                key.append(None)
                continue
            for field in fields:
                value = get(field)
                if value is not None and value.__class__ is not str:
                    # Only texts may be compared: 1 and true are the same to a dictionary.
                    value = tuple(map(text_of, as_list(value)))
                key.append(value)
            if present:
                key += [get(field) is not None or view.exists(field) for field in present]
            if empty:
                key += [get(field) is None for field in empty]
        return tuple(key)
