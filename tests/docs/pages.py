"""The pages of docs/reference that are made from the code. `make docs` writes them; a test fails when they are stale."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import metrics
import typer.main

from fenghuo.cli.root import COMMANDS, app, main
from fenghuo.config import Section, reference, schema_text
from fenghuo.rules.files.reference import rule_reference
from fenghuo_agent.profiles.library import Library
from fenghuo_agent.profiles.schema import ProfileBody

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SIDES = {
    "agent": ("fenghuo_agent.config", "AgentConfig", ("agent/fenghuo_agent/inputs",)),
    "collector": (
        "fenghuo_collector.config",
        "CollectorConfig",
        ("collector/fenghuo_collector/sinks", "collector/fenghuo_collector/feeds"),
    ),
}

CONFIGURATION_HEAD = """\
# Configuration

<!-- Made by `make docs`; do not edit. -->

One YAML file a side: `agent.yaml` and `collector.yaml`. `fenghuo agent check -c FILE` and `fenghuo collector check -c FILE`
print OK, or everything that is wrong with a file, each with its line and column. Unknown keys are refused.

| in the file | means |
|---|---|
| `30s`, `500ms`, `1h30m`, `7d` | a duration: numbers with `ms`, `s`, `m`, `h`, `d`, `w`; a plain number is seconds |
| `64MiB`, `512KiB`, `1.5GB` | a size: `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, `kB`, `MB`, `GB`, `TB` of 1000; a plain number is bytes |
| `${NAME}` | the value of an environment variable, within any value; `$${` stands for the characters `${` |
| `password_file: NAME` | a secret, here `password`, from a file; a relative name starts at the configuration file's folder |
| `${CREDENTIALS_DIRECTORY}/x` | a file of systemd's `LoadCredential=x:…`, for any `…_file` |
| `on`, `no`, `1:30`, `007` | text where text is wanted, as written (YAML 1.2) |

Secrets appear in no log, error or dump. Editors complete and check a file that begins with a line such as
`# yaml-language-server: $schema=agent.schema.json`; the schemas are [agent.schema.json](agent.schema.json) and
[collector.schema.json](collector.schema.json), or what `fenghuo config schema agent` prints.
"""

CLI_HEAD = """\
# Command line

<!-- Made by `make docs`; do not edit. -->

Exit status: 0 done, 1 something was found wrong, 2 used wrongly, 130 interrupted, 141 nobody reads the output.
With `--json`, results are on standard output, as one document or one per line; messages are on standard error.
Colour is for terminals only, and not with `NO_COLOR` set.
"""


def model_of(side: str) -> type[Section]:
    module, name, _ = SIDES[side]
    return getattr(importlib.import_module(module), name)


def samples() -> Iterator[tuple[str, Path]]:
    """Each sample.yaml with the part of the configuration that it belongs in: `inputs`, `sinks` or `feeds`."""
    for _, _, folders in SIDES.values():
        for folder in folders:
            for path in sorted((ROOT / folder).glob("*/sample.yaml")):
                yield Path(folder).name, path


def configuration() -> str:
    parts = [CONFIGURATION_HEAD]
    for side, (_, _, folders) in SIDES.items():
        parts.append(f"# {side.capitalize()}\n\n{reference(model_of(side))}")
        parts.append(f"## Examples for the {side}\n")
        for kind, path in samples():
            if path.is_relative_to(ROOT / folders[0]) or path.is_relative_to(ROOT / folders[-1]):
                text = "".join(f"  {line}" if line.strip() else line for line in path.read_text().splitlines(True))
                parts.append(f"```yaml\n{kind}:\n{text}```\n")
    return "\n".join(parts)


def helped(*arguments: str) -> str:
    """What `fenghuo … --help` prints on a terminal 80 columns wide."""
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80"}),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        main([*arguments, "--help"])
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def commands() -> Iterator[tuple[str, ...]]:
    """Every command: the root, each subcommand, and what is below it."""
    root = typer.main.get_command(app)
    yield ()
    for name in COMMANDS:
        yield (name,)
        for inner in getattr(root.commands[name].load(), "commands", {}):
            yield (name, inner)


def cli() -> str:
    parts = [CLI_HEAD]
    for names in commands():
        depth = "##" if len(names) < 2 else "###"
        parts.append(f"{depth} `{' '.join(('fenghuo', *names))}`\n\n```text\n{helped(*names)}```\n")
    return "\n".join(parts)


MADE = "<!-- What follows is made by `make docs`; do not edit. -->\n\n"


def written(name: str) -> str:
    """The part of a page that people write, with the line that ends it."""
    return (REFERENCE / name).read_text(encoding="utf-8").partition(MADE)[0] + MADE


def profiles() -> str:
    """Every key of a profile file, and the profiles that are shipped."""
    library = Library.load()
    heads = [library.file(name).head for name in library.names]
    rows = "\n".join(f"| `{head.name}` | {head.title} |" for head in heads)
    parts = {part.partition("\n")[2]: part for part in reversed(reference(ProfileBody).split("\n## "))}
    keys = "\n## ".join(reversed(parts.values()))
    return f"# Keys\n\n{keys}\n# Shipped profiles\n\n| profile | for |\n|---|---|\n{rows}\n"


def pages() -> dict[Path, str]:
    """Every page that is made, with its text."""
    return {
        REFERENCE / "configuration.md": configuration(),
        REFERENCE / "cli.md": cli(),
        REFERENCE / "metrics.md": metrics.page(),
        REFERENCE / "rules.md": written("rules.md") + rule_reference(),
        REFERENCE / "profiles.md": written("profiles.md") + profiles(),
        REFERENCE / "profile.schema.json": schema_text(ProfileBody),
        **{REFERENCE / f"{side}.schema.json": schema_text(model_of(side)) for side in SIDES},
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
