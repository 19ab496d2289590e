"""Hot reload: the configuration file is read again when it changes; one that is wrong is refused, the one before goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter

from fenghuo.config import load
from fenghuo.config.document import MAX_BYTES, Tree, read
from fenghuo.errors import Located
from fenghuo.supervisor import Supervisor
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs.base import Input
from fenghuo_agent.inputs.snmp.config import SnmpConfig

if TYPE_CHECKING:
    from fenghuo_agent.inputs.probe.input import ProbeInput
    from fenghuo_agent.inputs.snmp.input import SnmpInput

_log = logging.getLogger(__name__)

MOST_TOLD = 20
_FILE = "_file"
Stamp = tuple[int, int, int]
_ABSENT: Stamp = (0, -1, 0)
Take = Callable[[AgentConfig], str]
"""Applies a configuration that is right, and says what came of it; raises `Located` where a file that it names is wrong."""


class ReloadMetrics:
    """`fenghuo_agent_config_reloads_total{result}` and `fenghuo_agent_profile_reloads_total{result}`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.config = Counter(
            "fenghuo_agent_config_reloads",
            "Times that the changed configuration was read.",
            ["result"],
            registry=registry,
        )
        self.profiles = Counter(
            "fenghuo_agent_profile_reloads", "Times that changed profiles were read.", ["result"], registry=registry
        )
        for counter in (self.config, self.profiles):
            for result in ("loaded", "refused"):
                counter.labels(result).inc(0)


class ConfigFile:
    """The configuration file and the files that it names, of secrets and devices. Not for several threads at once."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self._path = path
        self._env = env
        self._named = self._files()
        self._stamps = self._look()

    def changed(self) -> AgentConfig | None:
        """The configuration, where it or a file that it names changed since the last look. Raises `Located`, once, where it is wrong."""
        stamps = self._look()
        if stamps == self._stamps:
            return None
        # Stamps first: what is written while the file is read makes them differ at the next look.
        self._named = self._files()
        self._stamps = {path: stamps.get(path, stamp) for path, stamp in self._look().items()}
        return load(self._path, AgentConfig, env=self._env)

    def _look(self) -> dict[Path, Stamp]:
        return {path: _stamp(path) for path in (self._path, *self._named)}

    def _files(self) -> tuple[Path, ...]:
        """Files that keys such as `community_file` and `devices_file` name."""
        try:
            with self._path.open("rb") as file:
                tree, _, _ = read(file.read(MAX_BYTES + 1), str(self._path), self._env)
        except (OSError, Located):
            return ()
        return tuple(dict.fromkeys(self._path.parent / name for name in _names(tree)))


def _names(tree: Tree) -> Iterable[str]:
    for node in tree.walk():
        if node.children is None or node.is_list:
            continue
        for key, child in node.children.items():
            if key.endswith(_FILE) and child.text:
                yield child.text


def _stamp(path: Path) -> Stamp:
    try:
        about = path.stat()
    except OSError:
        return _ABSENT
    return about.st_mtime_ns, about.st_size, about.st_ino


async def watch(file: ConfigFile, take: Take, metrics: ReloadMetrics, *, interval: float) -> None:
    """Look every `interval` seconds, in a thread; what is right is taken, what is wrong is told once. Until cancelled."""
    while True:
        await asyncio.sleep(interval)
        try:
            config = await asyncio.to_thread(file.changed)
            said = take(config) if config is not None else ""
        except Located as error:
            metrics.config.labels("refused").inc()
            _tell(error)
            continue
        if said:
            metrics.config.labels("loaded").inc()
            _log.info("the configuration has changed: %s", said)


def _tell(error: Located) -> None:
    shown = [str(problem) for problem in error.problems[:MOST_TOLD]]
    if len(error.problems) > MOST_TOLD:
        shown.append(f"and {len(error.problems) - MOST_TOLD} more; `fenghuo agent check` tells all")
    _log.error("the changed configuration is refused, the one before goes on:\n%s", "\n".join(shown))


class Reloads:
    """Keeps a running agent by its files: the configuration, and the profiles that it names."""

    def __init__(self, config: AgentConfig, inputs: Sequence[Input], registry: CollectorRegistry) -> None:
        self._started = self._config = config
        self._polled = _polled(inputs) if config.inputs.snmp is not None else None
        self._probing = _probing(inputs) if config.inputs.probe is not None else None
        self._metrics = ReloadMetrics(registry)

    def watch(self, supervisor: Supervisor, file: ConfigFile | None) -> None:
        """Look at the files as often as at those of rules. Without a `file` the configuration stays as it is."""
        interval = self._config.rules.reload_interval
        if file is not None:
            supervisor.add("configuration", lambda: watch(file, self.take, self._metrics, interval=interval))
        polled = self._polled
        if polled is not None:
            from fenghuo_agent.inputs.snmp import profile_folders  # noqa: PLC0415 — what is not used takes no memory

            folders = profile_folders.ProfileFolders(self._folders)
            supervisor.add(
                "profiles",
                lambda: profile_folders.watch(folders, polled.use, interval=interval, count=self._count_profiles),
            )

    def take(self, config: AgentConfig) -> str:
        """Apply what can be; what came of it, in words."""
        snmp = config.inputs.snmp
        said: list[str] = []
        if self._polled is not None and snmp is not None:
            said.append(f"SNMP devices: {self._polled.reconfigure(snmp)}")
        probe = config.inputs.probe
        if self._probing is not None and probe is not None and probe != self._config.inputs.probe:
            said.append(f"probes: {self._probing.reconfigure(probe)}")
        waiting = needs_restart(self._started, config)
        if waiting:
            said.append(f"after a restart only: {', '.join(waiting)}")
        self._config = config
        return "; ".join(said) or "nothing that the running agent goes by"

    def _folders(self) -> Sequence[Path]:
        return self._config.inputs.snmp.profiles if self._config.inputs.snmp else ()

    def _count_profiles(self, result: str) -> None:
        self._metrics.profiles.labels(result).inc()


def _polled(inputs: Sequence[Input]) -> SnmpInput | None:
    from fenghuo_agent.inputs.snmp.input import SnmpInput  # noqa: PLC0415 — what is not used takes no memory

    return next((each for each in inputs if isinstance(each, SnmpInput)), None)


def _probing(inputs: Sequence[Input]) -> ProbeInput | None:
    from fenghuo_agent.inputs.probe.input import ProbeInput  # noqa: PLC0415 — what is not used takes no memory

    return next((each for each in inputs if isinstance(each, ProbeInput)), None)


LIVE = frozenset(
    {
        "devices", "devices_file", "credentials", "profiles", "interval", "timeout", "pace", "retries", "deadline", "learn_deadline",
        "relearn", "unchanged", "probe_max", "max_oids_per_request", "max_reply", "max_repetitions", "max_rows",
    }
)  # fmt: skip
"""Options of `inputs.snmp` that take effect while it runs."""
SWITCHED = "discover"
"""The part of it that can be changed while it runs, but not switched on or off."""


def needs_restart(before: AgentConfig, after: AgentConfig) -> list[str]:
    """What differs and takes effect only when the agent is started again."""
    found = [name for name in AgentConfig.model_fields if name != "inputs" and _differs(before, after, name)]
    for name in type(before.inputs).model_fields:
        old, new = getattr(before.inputs, name), getattr(after.inputs, name)
        if old == new:
            continue
        if name == "probe" and old is not None and new is not None:
            found += ["inputs.probe.concurrency"] if _differs(old, new, "concurrency") else []
        elif name != "snmp" or old is None or new is None:
            found.append(f"inputs.{name.removesuffix('_')}")
        else:
            options = [
                option for option in SnmpConfig.model_fields if option not in LIVE and _differs(old, new, option)
            ]
            found += [
                f"inputs.snmp.{option}"
                for option in options
                if option != SWITCHED or None in (old.discover, new.discover)
            ]
    return found


def _differs(before: object, after: object, name: str) -> bool:
    return getattr(before, name) != getattr(after, name)
