"""The reference of rule files as Markdown: the keys that all rules share, and each kind's own."""

from __future__ import annotations

from fenghuo.config import reference
from fenghuo.rules.kinds import KINDS
from fenghuo.rules.kinds.base import Kind
from fenghuo.rules.section import RuleSection

_HEAD = "| option | type | default | meaning |\n|---|---|---|---|"


def rule_reference() -> str:
    """What docs/reference/rules.md shows below its introduction; a test keeps the two alike."""
    common = reference(RuleSection).replace("## At the top", "## Keys of every rule", 1)
    return "\n".join([common, *(_kind(kind) for kind in KINDS.values())])


def _kind(kind: Kind) -> str:
    own = [field.alias or name for name, field in kind.section.model_fields.items()]
    own = [name for name in own if name not in RuleSection.model_fields and name != "kind"]
    rows = reference(kind.section).partition("\n\n## ")[0].splitlines()
    chosen = [row for row in rows if any(row.startswith(f"| `{name}` |") for name in own)]
    about = kind.section.model_fields["kind"].description
    return f"## Kind `{kind.name}`\n\n{about}\n\n{_HEAD}\n" + "\n".join(chosen) + "\n"
