"""`fenghuo config`: what can be configured, for editors and for the reference."""

from __future__ import annotations

import enum
import importlib
import sys
from typing import Annotated

import typer

from fenghuo.cli.output import print_json
from fenghuo.config import Section, reference, schema


class Side(enum.StrEnum):
    """Whose configuration."""

    AGENT = "agent"
    COLLECTOR = "collector"


MODELS = {Side.AGENT: "fenghuo_agent.config:AgentConfig", Side.COLLECTOR: "fenghuo_collector.config:CollectorConfig"}

SideArgument = Annotated[Side, typer.Argument(help="Whose configuration.", show_default=False)]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def config() -> None:
    """Print the schema or reference of a configuration."""


@app.command("schema")
def print_schema(side: SideArgument) -> None:
    """Print the JSON Schema (2020-12) of a side's configuration, for editors."""
    print_json(schema(model_of(side)))


@app.command("reference")
def print_reference(side: SideArgument) -> None:
    """Print all options of a side's configuration as Markdown."""
    sys.stdout.write(reference(model_of(side)))


def model_of(side: Side) -> type[Section]:
    """The model of a side's configuration."""
    module, _, name = MODELS[side].partition(":")
    found = getattr(importlib.import_module(module), name)
    assert issubclass(found, Section)
    return found
