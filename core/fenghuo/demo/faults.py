"""The demo's story: what goes wrong in the simulated school, when, and when it comes right again.

Faults come one by one, hold for about half a minute and are mended; after `CYCLE` seconds the story begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from fenghuo.demo.plan import CORE_SWITCH, TEACHING_SWITCH
from fenghuo.demo.school import DOWN, UP, School

CYCLE = 120.0
BROKEN_PORT = "Gi1/0/7"
NOISY_PORT = "Gi1/0/11"
COOL, HOT = 23.5, 41.0

Phase = Literal["begins", "ends"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong `begins` seconds into the story and is mended at `ends`."""

    name: str
    begins: float
    ends: float
    title: str
    title_zh: str
    mended: str
    mended_zh: str
    begin: Callable[[School], None]
    end: Callable[[School], None]


@dataclass(frozen=True, slots=True)
class Happening:
    """A fault that begins or ends; `time` is Unix milliseconds."""

    time: int
    fault: Fault
    phase: Phase


def _set_port(state: int) -> Callable[[School], None]:
    def act(school: School) -> None:
        school.devices[CORE_SWITCH].port(BROKEN_PORT).set(state, school.now)

    return act


def _set_errors(rate: float) -> Callable[[School], None]:
    def act(school: School) -> None:
        school.devices[CORE_SWITCH].port(NOISY_PORT).error_rate = rate

    return act


def _set_room(target: float) -> Callable[[School], None]:
    def act(school: School) -> None:
        school.room.target = target

    return act


def _cut_power(school: School) -> None:
    school.cut(school.devices[TEACHING_SWITCH])


def _give_power(school: School) -> None:
    school.start(school.devices[TEACHING_SWITCH])


SCRIPT: tuple[Fault, ...] = (
    Fault(
        name="port-down",
        begins=15,
        ends=40,
        title=f"someone pulls the cable out of {CORE_SWITCH} {BROKEN_PORT}",
        title_zh=f"有人拔掉了核心交换机 {BROKEN_PORT} 的网线",
        mended="the cable is plugged in again",
        mended_zh="网线插回去了",
        begin=_set_port(DOWN),
        end=_set_port(UP),
    ),
    Fault(
        name="port-errors",
        begins=30,
        ends=60,
        title=f"a bad cable: broken frames arrive at {CORE_SWITCH} {NOISY_PORT}",
        title_zh=f"网线老化：核心交换机 {NOISY_PORT} 收到大量错误帧",
        mended="the cable is replaced",
        mended_zh="网线换好了",
        begin=_set_errors(120.0),
        end=_set_errors(0.0),
    ),
    Fault(
        name="hot-room",
        begins=45,
        ends=75,
        title="the server room's air conditioner fails",
        title_zh="机房空调停机",
        mended="the air conditioner works again",
        mended_zh="空调恢复运行",
        begin=_set_room(HOT),
        end=_set_room(COOL),
    ),
    Fault(
        name="dead-switch",
        begins=60,
        ends=85,
        title=f"{TEACHING_SWITCH} loses its power",
        title_zh="教学楼交换机断电",
        mended=f"{TEACHING_SWITCH} has power again and starts",
        mended_zh="教学楼交换机恢复供电并启动",
        begin=_cut_power,
        end=_give_power,
    ),
)


class Story:
    """Carries out the script on a school, from `start` (Unix milliseconds), again and again."""

    def __init__(self, school: School, start: int, script: tuple[Fault, ...] = SCRIPT, cycle: float = CYCLE) -> None:
        self._school = school
        self._upcoming = _happenings(script, start, cycle)
        self._next = next(self._upcoming, None)

    def advance(self, now: int) -> list[Happening]:
        """Bring story and school up to `now`; what happened on the way, in order."""
        told: list[Happening] = []
        while self._next is not None and self._next.time <= now:
            happening = self._next
            self._school.advance(happening.time)
            act = happening.fault.begin if happening.phase == "begins" else happening.fault.end
            act(self._school)
            told.append(happening)
            self._next = next(self._upcoming, None)
        self._school.advance(now)
        return told


def _happenings(script: tuple[Fault, ...], start: int, cycle: float) -> Iterator[Happening]:
    """All that will ever happen, in order; nothing for an empty script."""
    moments: list[tuple[float, Phase, Fault]] = []
    for fault in script:
        moments.append((fault.begins, "begins", fault))
        moments.append((fault.ends, "ends", fault))
    moments.sort(key=lambda moment: moment[0])
    while moments:
        for seconds, phase, fault in moments:
            yield Happening(start + round(seconds * 1000), fault, phase)
        start += round(cycle * 1000)
