"""The devices that the configuration lists: its own and those of the devices file."""

from __future__ import annotations

import logging

from fenghuo.errors import Located, Place, Problem
from fenghuo_agent.inputs.snmp.config import Device, SnmpConfig

log = logging.getLogger(__name__)


def listed(config: SnmpConfig) -> list[Device]:
    """Each target once; a file that is not there yet lists none. Raises `Located` where the file is wrong."""
    path = config.devices_file
    if path is None:
        return list(config.devices)
    if not path.exists():
        log.warning("%s is not there: `fenghuo agent discover --write` writes it", path)
        return list(config.devices)
    from fenghuo_agent.discovery.devices_file import read_devices  # noqa: PLC0415 — what is not used takes no memory

    own = {device.target for device in config.devices}
    further = [device for device in read_devices(path, config.credentials) if device.target not in own]
    strange = [device for device in further if not config.credentials_of(device)]
    if strange:
        raise Located(
            [Problem(Place(str(path)), f"{device.address}: there is no credential for it") for device in strange]
        )
    return [*config.devices, *further]
