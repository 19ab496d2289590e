"""`fenghuo agent`."""

from __future__ import annotations

import os

import typer

from fenghuo.cli.checking import check_file
from fenghuo.cli.options import ConfigOption, JsonOption, LogFormatOption, LogLevelOption
from fenghuo.config import load
from fenghuo.log import Format, configure
from fenghuo_agent import daemon
from fenghuo_agent.daemon import DEFAULT_FILE
from fenghuo_agent.discovery.cli import discover
from fenghuo_agent.topology.cli import locate, topology

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
for command in (discover, topology, locate):
    app.command()(command)


@app.callback()
def agent() -> None:
    """Run a school's agent, or check its configuration."""


@app.command()
def run(
    config: ConfigOption = DEFAULT_FILE,
    log_level: LogLevelOption = "INFO",
    log_format: LogFormatOption = Format.AUTO,
) -> None:
    """Poll, judge and ship until told to stop (SIGTERM or Ctrl-C)."""
    daemon.run(config, log_level, log_format)


@app.command()
def check(config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Check the configuration and the rules it names; print OK, or everything that is wrong with them."""
    from fenghuo.packs import packs_path  # noqa: PLC0415 — help does without it
    from fenghuo.rules import load_rules  # noqa: PLC0415 — help does without it
    from fenghuo_agent.config import AgentConfig  # noqa: PLC0415 — help does without it

    def further(loaded: AgentConfig) -> None:
        load_rules(loaded.rules.files(packs_path()))
        if loaded.inputs.snmp is not None:
            from fenghuo_agent.inputs.snmp.listed import listed  # noqa: PLC0415 — help does without it
            from fenghuo_agent.inputs.snmp.profile_folders import checked  # noqa: PLC0415 — help does without it

            listed(loaded.inputs.snmp)
            checked(loaded.inputs.snmp.profiles)

    check_file(config, AgentConfig, as_json=as_json, further=further)


@app.command()
def once(
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
    log_level: LogLevelOption = "WARNING",
    log_format: LogFormatOption = Format.AUTO,
) -> None:
    """Run one round of all inputs and print what they read; exit status 1 where an input failed."""
    from fenghuo_agent.config import AgentConfig  # noqa: PLC0415 — help does without it

    configure(log_level, style=log_format)
    loaded = load(config, AgentConfig, env=os.environ)
    from fenghuo_agent import app as agent_app  # noqa: PLC0415 — a wrong configuration is told without it

    raise typer.Exit(agent_app.once(loaded, json=as_json))
