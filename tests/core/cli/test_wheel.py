"""The wheel holds all that the checkout has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fenghuo.packs import packs_path

ROOT = Path(__file__).resolve().parents[3]


def rule_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")}


def test_in_a_checkout_the_packs_are_the_rules_folder():
    assert packs_path() == ROOT / "rules"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the wheel in it, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True, timeout=300)
    (wheel,) = folder.glob("fenghuo-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True, timeout=300)
    return folder / "site"


def run(installed: Path, *command: str) -> str:
    """What a command prints, with the wheel before the checkout on the path."""
    result = subprocess.run(
        command,
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return result.stdout.strip()


@pytest.mark.slow
def test_from_a_wheel_the_packs_are_within_the_package(installed):
    shown = run(installed, sys.executable, "-c", "from fenghuo.packs import packs_path; print(packs_path())")
    assert Path(shown) == installed / "fenghuo" / "packs"
    assert rule_files(Path(shown)) == rule_files(ROOT / "rules")


@pytest.mark.slow
def test_the_wheel_s_command_checks_the_wheel_s_rules(installed):
    command = str(installed / "bin" / "fenghuo")
    assert "Usage: fenghuo" in run(installed, sys.executable, command, "--help")
    run(installed, sys.executable, command, "rules", "check")


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(installed):
    listed = subprocess.run(
        ["git", "ls-files", "core", "agent", "collector"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    profiles = "agent/profiles/"
    for name in listed:
        inside = name.replace(profiles, "agent/fenghuo_agent/profiles/shipped/") if name.startswith(profiles) else name
        assert (installed / Path(*Path(inside).parts[1:])).exists(), name


def test_the_wheel_s_profiles_are_read_from_the_wheel(installed):
    command = str(installed / "bin" / "fenghuo")
    shown = run(installed, sys.executable, command, "profiles", "explain", "ups-mib")
    assert f"{installed}/fenghuo_agent/profiles/shipped/standard/ups-mib.yaml" in shown
