"""Bring the servers that tests run against: Debian packages, and Elasticsearch from Maven Central.

Run by `make servers`. Quick where all is there; what cannot be had is told and left out, and the tests that need it
skip (with CI=true they fail).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = {
    "snmpd": "snmpd",
    "snmpget": "snmp",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "chromium": "chromium",
    "ip": "iproute2",
    "openssl": "openssl",
    "setpriv": "util-linux",
    "dnsmasq": "dnsmasq-base",
    "mvn": "maven",
}
"""Program → the Debian package that has it."""
FONT = ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "fonts-noto-cjk")
SERVICES = ("snmpd", "mosquitto", "prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
ELASTICSEARCH = {"8.19.21": 17, "9.2.0": 21}
"""Version → the oldest Java it runs on."""
ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
DOWNLOAD_SECONDS = 600


def cache_folder() -> Path:
    """Where downloads are kept. Not in root's home: Elasticsearch refuses to run as root, and nobody else reads there."""
    if chosen := os.environ.get("FENGHUO_CACHE"):
        return Path(chosen)
    return Path("/var/cache/fenghuo") if os.geteuid() == 0 else Path.home() / ".cache/fenghuo"


def elasticsearch_home(version: str) -> Path:
    return cache_folder() / "elasticsearch" / f"elasticsearch-{version}"


def java_home(oldest: int) -> Path | None:
    """The home of the oldest Java found that is at least `oldest`."""
    roots = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    jvm = Path("/usr/lib/jvm")
    roots += sorted(jvm.iterdir()) if jvm.is_dir() else []
    found = {version: root for root in reversed(roots) if (version := _java_version(root)) and version >= oldest}
    return found[min(found)] if found else None


def _java_version(home: Path) -> int | None:
    release = home / "release"
    if not (home / "bin/java").exists() or not release.exists():
        return None
    match = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(errors="replace"), re.MULTILINE)
    return int(match.group(1)) if match else None


def missing_packages() -> list[str]:
    """The Debian packages whose program is not found."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]
    if not Path(FONT[0]).exists():
        missing.append(FONT[1])
    if java_home(min(ELASTICSEARCH.values())) is None:
        missing.append("openjdk-17-jre-headless")
    if all(elasticsearch_home(version).exists() for version in ELASTICSEARCH):
        missing = [package for package in missing if package != "maven"]
    return missing


def install_packages(packages: Sequence[str]) -> str | None:
    """Install with apt-get, starting no service; what is wrong, or None."""
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        return f"not a Debian system: install what these packages hold: {names}"
    if os.geteuid() != 0:
        return f"as root: apt-get install --no-install-recommends {names}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services_started():
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False, stdout=sys.stderr)
        if _apt_install(packages, environment):
            return None
        failed = [package for package in packages if not _apt_install([package], environment)]
    return f"apt-get could not install {' '.join(failed)}" if failed else None


def _apt_install(packages: Sequence[str], environment: dict[str, str]) -> bool:
    command = ["apt-get", "install", "-qq", "-y", "-o", "DPkg::Lock::Timeout=120", "--no-install-recommends", *packages]
    return subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode == 0


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Keep Debian from starting, now or at the next boot, the services that come with the packages."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    units = Path("/lib/systemd/system")
    before = {name for name in SERVICES if (units / f"{name}.service").exists()}
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)
        new = [name for name in SERVICES if name not in before and (units / f"{name}.service").exists()]
        if new and shutil.which("systemctl"):
            subprocess.run(["systemctl", "disable", "-q", *new], check=False, stderr=subprocess.DEVNULL)


def install_elasticsearch(version: str) -> str | None:
    """Download and unpack one version, once; what is wrong, or None."""
    home = elasticsearch_home(version)
    if home.exists():
        return None
    if not os.access(home.parent, os.W_OK):
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return f"cannot write {home.parent}: {error.strerror} (FENGHUO_CACHE names another folder)"
    archive = home.parent / f"{home.name}.zip"
    if not archive.exists() and (problem := _download(version, archive)):
        return problem
    try:
        _unpack(archive, home)
    except (OSError, zipfile.BadZipFile) as error:
        archive.unlink(missing_ok=True)
        return f"Elasticsearch {version}: {archive.name} is broken and was removed: {error}"
    archive.unlink()
    return None


def _download(version: str, archive: Path) -> str | None:
    if not shutil.which("mvn"):
        return f"Elasticsearch {version}: needs Maven (Debian package maven) to be downloaded"
    print(f"downloading Elasticsearch {version} (about 100 MB)", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        artifact = ARTIFACT.format(version=version)
        command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
        try:
            result = subprocess.run(command, check=False, timeout=DOWNLOAD_SECONDS, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            return f"Elasticsearch {version}: not downloaded within {DOWNLOAD_SECONDS} s"
        files = list(Path(folder).glob("*.zip"))
        if result.returncode or len(files) != 1:
            return f"Elasticsearch {version}: Maven says:\n{(result.stdout + result.stderr)[-1000:]}"
        files[0].rename(archive)
    return None


def _unpack(archive: Path, home: Path) -> None:
    """Unpack beside the place and move there, so that what stands there is always whole."""
    with tempfile.TemporaryDirectory(dir=home.parent) as folder, zipfile.ZipFile(archive) as content:
        content.extractall(folder)
        (root,) = Path(folder).iterdir()
        for path in root.rglob("*"):
            program = path.parent.name == "bin" and path.is_file()
            path.chmod(0o755 if path.is_dir() or program else 0o644)
        root.chmod(0o755)
        root.rename(home)


def main() -> int:
    problems: list[str] = []
    if packages := missing_packages():
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        problems.append(install_packages(packages) or "")
    for version, java in ELASTICSEARCH.items():
        problems.append(install_elasticsearch(version) or "")
        if java_home(java) is None:
            problems.append(f"Elasticsearch {version} needs Java {java} or newer under /usr/lib/jvm or JAVA_HOME")
    told = [problem for problem in problems if problem]
    for problem in told:
        print(f"servers: {problem}; tests that need it skip", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
