"""What people are told to type works."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pages
import pytest
import yaml
from test_pages import Everything, with_secret_files

from fenghuo.config import parse

ROOT = pages.ROOT
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(path.relative_to(ROOT)) for path in TEXTS]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"<!-- (agent|collector) -->\n```yaml\n(.*?)```", re.DOTALL)
EXAMPLES = [(path, *match) for path in TEXTS for match in EXAMPLE.findall(path.read_text(encoding="utf-8"))]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=IDS)
def test_links_within_the_repository_lead_somewhere(path):
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = unquote(link).partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


@pytest.mark.parametrize("path", TEXTS, ids=IDS)
def test_every_command_that_is_shown_exists(path):
    known = {" ".join(("fenghuo", *names)) for names in pages.commands()}
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(fenghuo [^`]+)`", text)
    for line in [*lines, *inline]:
        words = shlex.split(line)
        if words[:1] == ["fenghuo"]:
            group = " ".join(words[:2])
            inner = any(name.startswith(group + " ") for name in known)
            assert " ".join(words[:3] if inner and len(words) > 2 else words[:2]) in known, line
        if words[:1] == ["make"]:
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), line


@pytest.mark.parametrize(("path", "side", "text"), EXAMPLES, ids=[f"{path.stem}-{side}" for path, side, _ in EXAMPLES])
def test_every_configuration_that_is_shown_is_valid(path, side, text, tmp_path):
    content = yaml.safe_dump(with_secret_files(yaml.safe_load(text), tmp_path)).encode()
    parse(content, pages.model_of(side), env=Everything(), file=path.name, folder=tmp_path)


def test_there_are_configurations_in_the_guides():
    assert {side for _, side, _ in EXAMPLES} == {"agent", "collector"}


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.md"):
        if path.name != "index.md":
            assert f"({path.relative_to(ROOT / 'docs')})" in index, path.name


def test_the_readme_names_the_two_commands_and_ci_runs_the_second():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^make demo\b", readme, re.MULTILINE)
    assert re.search(r"^make test\b", readme, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_is_in_both_languages():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "学校" in readme
    assert "school" in readme


def test_the_readme_s_layout_is_the_tree_s():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for folder in re.findall(r"`([a-z]+)/`", readme):
        assert (ROOT / folder).is_dir(), folder


def test_the_changelog_knows_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == version
