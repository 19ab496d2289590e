"""Whose turn it is: one question at a time at each address, and users at one of a device's addresses at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from fenghuo_agent.discovery.door import Door


class Turns:
    """Doors by what they wait for: their turn, the end of a time-out, another door at the same address or device.

    Doors that answered come first, then those that were silent. `is_open` says whether a door is still of interest.
    """

    def __init__(self, is_open: Callable[[Door], bool]) -> None:
        self._is_open = is_open
        self._ready: deque[Door] = deque()
        self._later: deque[Door] = deque()
        self._waiting: deque[tuple[float, Door, int]] = deque()
        self._held: dict[str, deque[Door]] = {}
        self._busy: dict[str, Door] = {}
        self._trying: dict[bytes, Door] = {}
        self._parked: dict[bytes, deque[Door]] = {}

    @property
    def idle(self) -> bool:
        """Whether nobody's turn will come."""
        return not (self._ready or self._later or self._waiting)

    @property
    def pressing(self) -> bool:
        """Whether doors have their turn that answered just now."""
        return bool(self._ready)

    @property
    def due(self) -> float | None:
        """When the next time-out ends; None where none is under way."""
        return self._waiting[0][0] if self._waiting else None

    def want(self, door: Door, *, silent: bool = False) -> None:
        """Put a door among those whose turn it is, or behind another one at the same address."""
        host = door.target.host
        door.turn = True
        if host in self._busy:
            self._held.setdefault(host, deque()).append(door)
        else:
            self._busy[host] = door
            (self._later if silent else self._ready).append(door)

    def next(self) -> Door | None:
        """The door whose turn it is."""
        for queue in (self._ready, self._later):
            while queue:
                door = queue.popleft()
                if self._is_open(door):
                    return door
                self.release(door)
        return None

    def release(self, door: Door) -> None:
        """Its question is answered or given up: another one may be asked at that address."""
        host = door.target.host
        if self._busy.get(host) is not door:
            return
        del self._busy[host]
        held = self._held.get(host)
        if held:
            self._busy[host] = held[0]
            self._later.append(held.popleft())
            if not held:
                del self._held[host]

    def wait(self, door: Door, until: float) -> None:
        """It was asked; time-outs are all of one length, so that they end in the order in which they began."""
        door.serial += 1
        self._waiting.append((until, door, door.serial))

    def expired(self, now: float) -> Iterator[Door]:
        """Doors whose time-out has ended without an answer."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, door, serial = waiting.popleft()
            if door.serial == serial and self._is_open(door):
                yield door

    def parks(self, door: Door) -> bool:
        """Whether users are being tried at another address of the same device, whose end is to be waited for."""
        if door.users is None or self._trying.setdefault(door.engine, door) is door:
            return False
        parked = self._parked.setdefault(door.engine, deque())
        if door not in parked:
            parked.append(door)
        return True

    def tried(self, door: Door) -> None:
        """Users are no longer tried at this door: they may be at the device's next one."""
        if self._trying.get(door.engine) is not door:
            return
        del self._trying[door.engine]
        parked = self._parked.get(door.engine, deque[Door]())
        while parked:
            other = parked.popleft()
            if self._is_open(other) and not other.turn:
                self.want(other)
                break
        if not parked:
            self._parked.pop(door.engine, None)
