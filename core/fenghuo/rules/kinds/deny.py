"""`deny`: what a class of devices must not do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fenghuo.rules.kinds.allow import Policy, PolicyBody, PolicySection, read_policy
from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.runtime.lifecycle import Holds


class DenySection(PolicySection):
    kind: Literal["deny"] = Field(
        description="What a class of devices (`where`) must not do. Without `group_by`, an alert a `source.ip` and `destination.ip`."
    )
    deny: Policy = Field(
        description="What they must not do: a list of conditions as in `where`, of each all keys; one that is met is an alert."
    )


def _read(section: DenySection, reader: Reader) -> tuple[PolicyBody, Holds] | None:
    return read_policy(section, reader, "deny", section.deny, forbids=True)


DENY = Kind("deny", DenySection, _read)
