"""The reference of rule files as Markdown: the keys that all rules share, each kind's own, and those of calendars."""

from __future__ import annotations

from fenghuo.config import Section, reference
from fenghuo.rules.files.section import RuleSection
from fenghuo.rules.kinds import KINDS
from fenghuo.rules.kinds.base import Kind
from fenghuo.rules.kinds.observed import EventSection
from fenghuo.rules.runtime.schedule import CalendarSection

_HEAD = "| option | type | default | meaning |\n|---|---|---|---|"
_TOP = "## At the top"
_EVENTS = "Keys of rules over events"


def rule_reference() -> str:
    """What docs/reference/rules.md shows below its introduction; `make docs` writes it, a test keeps the two alike."""
    common = reference(RuleSection).replace(_TOP, "## Keys of every rule", 1)
    events = _own_keys(EventSection, RuleSection, f"## {_EVENTS}", "Which events they are about.", "")
    calendar = (
        reference(CalendarSection).replace(_TOP, "## Calendar documents", 1).replace("\n## `", "\n### calendar: `")
    )
    return "\n".join([common, events, *(_kind(kind) for kind in KINDS.values()), calendar])


def _kind(kind: Kind) -> str:
    """The kind's own keys, and the sections below them."""
    about = kind.section.model_fields["kind"].description or ""
    base = EventSection if issubclass(kind.section, EventSection) else RuleSection
    if base is EventSection:
        about += f"\n\nIt takes the [keys of rules over events](#{_EVENTS.lower().replace(' ', '-')}) too."
    return _own_keys(kind.section, base, f"## Kind `{kind.name}`", about, f"{kind.name}: ")


def _own_keys(section: type[Section], base: type[Section], heading: str, about: str, prefix: str) -> str:
    """The keys that a section has beside those of its base, as a table, and below it the sections within them."""
    fields = section.model_fields.items()
    own = [field.alias or name for name, field in fields if name not in base.model_fields and name != "kind"]
    top, *inner = reference(section).split("\n\n## ")
    rows = [row for row in top.splitlines() if any(row.startswith(f"| `{name}` |") for name in own)]
    parts = [heading, about]
    if rows:
        parts.append("\n".join([_HEAD, *rows]))
    for each in inner:
        path = each.partition("`")[2].partition("`")[0]
        if path.partition(".")[0].removesuffix("[]") in own and not path.endswith(".logsource"):
            parts.append(f"### {prefix}{each.rstrip()}")
    return "\n\n".join(parts) + "\n"
