from __future__ import annotations

from pydantic import Field
from school import School

from fenghuo.config import Section, reference
from fenghuo.config.reference import undescribed

TEXT = reference(School)


def test_every_section_has_its_table():
    assert [line for line in TEXT.splitlines() if line.startswith("#")] == [
        "## At the top",
        "## `inputs`",
        "## `inputs.snmp`",
        "## `inputs.snmp.credentials[]`",
        "## `inputs.snmp.credentials[]`",
        "## `inputs.snmp.credentials[].auth`",
        "## `inputs.sensors[]`",
        "## `inputs.sensors[]`",
    ]
    assert "A school's configuration." in TEXT


def test_every_option_has_its_row():
    for row in (
        "| `site` | text | required | The site's path. |",
        "| `port` | whole number (≥ 1, ≤ 65535) | `8883` | A port. |",
        "| `enabled` | true or false | `true` | Whether. |",
        "| `cap` | size (≥ 1KiB) | `64MiB` | A cap. |",
        "| `interfaces` | text or list of text | `eth0` | One or more. |",
        "| `labels` | mapping of text |  | Labels. |",
        "| `token`, `token_file` | secret |  | A token. |",
        "| `interval` | duration (> 0s, ≤ 1d) | `1m` | How often each device is polled. |",
        "| `timeout` | duration |  | How long an answer is waited for. |",
        "| `version` | `1` or `2c` or `3` | `2c` | The protocol's version. |",
        "| `community`, `community_file` | secret | required | The community. |",
        "| `file` | file name | required | What is replayed. |",
    ):
        assert row in TEXT


def test_a_section_that_contains_itself_is_shown_once():
    class Tree(Section):
        children: list[Tree] = Field([], description="Smaller ones.")

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    assert reference(Tree).count("##") == 1


def test_options_without_description_are_found():
    assert undescribed(School) == ["inputs.sensors[].kind", "inputs.sensors[].kind"]
