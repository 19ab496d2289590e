"""Which devices the simulated school has, and how they hang together."""

from __future__ import annotations

from random import Random

from fenghuo.demo.school import DOWN, RADIO, UP, Device, Port, School

CORE_SWITCH = "core-sw1"
TEACHING_SWITCH = "teaching-sw2"
ACCESS_POINT = "ap-library"
UPS = "ups-server-room"
PRINTER = "printer-office"
CAMERA = "camera-gate"
STORAGE = "nas-office"
THERMOMETER = "env-server-room"
NETWORK = "127.20.0"
"""The first three octets of the school's addresses."""
UPLINKS = {
    TEACHING_SWITCH: "Te1/0/50",
    ACCESS_POINT: "Gi1/0/45",
    UPS: "Gi1/0/46",
    PRINTER: "Gi1/0/47",
    CAMERA: "Gi1/0/44",
    STORAGE: "Gi1/0/43",
    THERMOMETER: "Gi1/0/42",
}
"""The core switch's ports that the others hang on."""
HUB = "Gi1/0/11"
"""The teaching switch's port with a switch behind it that nobody announced."""

_ENTERPRISE = (1, 3, 6, 1, 4, 1)
_ROOMS = ("office 教师办公室", "computer-lab 计算机教室", "classroom 教室", "camera 摄像头", "library 图书馆")
_DAYS_MS = 86_400_000


def build(seed: int, start: int) -> School:
    """The school as it is before anything goes wrong; `start` is Unix milliseconds."""
    random = Random(f"{seed} plan")
    core = _core_switch(random, start)
    devices = [core, _teaching_switch(random, start), _access_point(random, start), _ups(random, start)]
    devices += [_printer(random, start), _camera(random, start), _storage(random, start), _thermometer(random, start)]
    for number, device in enumerate(devices, 1):
        device.address = f"{NETWORK}.{number}"
    for device in devices[1:]:
        uplink = core.port(UPLINKS[device.name])
        uplink.alias, uplink.oper, uplink.admin = f"to {device.name} {device.title_zh}", UP, UP
        device.uplinks.append(uplink)
    for device in devices:
        for port in device.ports:
            _age(port, random)
    return School(devices, seed, start)


def _mac(random: Random) -> bytes:
    """A locally administered address, so that it is nobody's."""
    return bytes((0x02, 0xFE, *(random.randrange(256) for _ in range(4))))


def _age(port: Port, random: Random) -> None:
    """Counters as after weeks of service; some near the end of 32 bits, so that they wrap while one looks on."""
    port.phase = random.uniform(0, 6.28)
    port.in_octets = random.randrange(1 << 38)
    port.out_octets = random.randrange(1 << 40)
    port.in_packets, port.out_packets = port.in_octets // 240, port.out_octets // 980
    port.in_errors = random.randrange(20)
    if port.oper == DOWN:
        port.in_octets = port.out_octets = port.in_packets = port.out_packets = port.in_errors = 0


def _access_ports(random: Random, count: int, used: float) -> list[Port]:
    ports: list[Port] = []
    for index in range(1, count + 1):
        room = _ROOMS[random.randrange(len(_ROOMS))].split()
        in_use = random.random() < used or index <= 12
        ports.append(
            Port(
                index=index,
                name=f"Gi1/0/{index}",
                alias=f"{room[0]}-{100 + index} {room[1]}{100 + index}" if in_use else "",
                mac=_mac(random),
                oper=UP if in_use else DOWN,
                admin=UP if in_use or random.random() < 0.5 else DOWN,
                load=random.choice((0.001, 0.004, 0.01, 0.03)),
            )
        )
    return ports


def _core_switch(random: Random, start: int) -> Device:
    ports = _access_ports(random, 48, 0.75)
    ports += [
        Port(index=index, name=f"Te1/0/{index}", alias=alias, mac=_mac(random), speed=10_000, load=load)
        for index, alias, load in ((49, "to gateway 出口网关", 0.02), (50, "", 0.015))
    ]
    return Device(
        name=CORE_SWITCH,
        title="core switch",
        title_zh="核心交换机",
        description="Fenghuo simulated switch, 48 x 1000BASE-T, 2 x 10GBASE-X, version 7.1",
        object_id=(*_ENTERPRISE, 99999, 1, 48),
        services=6,
        location="机房 server room",
        ports=ports,
        booted=start - random.randrange(30, 200) * _DAYS_MS,
        max_size=8192,
    )


def _teaching_switch(random: Random, start: int) -> Device:
    ports = _access_ports(random, 24, 0.8)
    ports.append(Port(index=25, name="Te1/0/25", alias="to core-sw1 核心交换机", mac=_mac(random), speed=10_000))
    return Device(
        name=TEACHING_SWITCH,
        title="teaching building switch",
        title_zh="教学楼交换机",
        description="Fenghuo simulated switch, 24 x 1000BASE-T, 1 x 10GBASE-X, version 7.1",
        object_id=(*_ENTERPRISE, 99999, 1, 24),
        services=2,
        location="教学楼 teaching building, 2F",
        ports=ports,
        booted=start - random.randrange(30, 200) * _DAYS_MS,
    )


def _access_point(random: Random, start: int) -> Device:
    return Device(
        name=ACCESS_POINT,
        title="library access point",
        title_zh="图书馆无线接入点",
        description="Fenghuo simulated access point, 802.11ax",
        object_id=(*_ENTERPRISE, 99999, 2, 1),
        services=2,
        location="图书馆 library",
        ports=[
            Port(index=1, name="eth0", mac=_mac(random), load=0.02),
            Port(index=2, name="radio0", alias="2.4 GHz", mac=_mac(random), kind=RADIO, speed=287, load=0.05),
            Port(index=3, name="radio1", alias="5 GHz", mac=_mac(random), kind=RADIO, speed=1201, load=0.02),
        ],
        booted=start - random.randrange(5, 60) * _DAYS_MS,
    )


def _ups(random: Random, start: int) -> Device:
    return Device(
        name=UPS,
        title="server room UPS",
        title_zh="机房不间断电源",
        description="Fenghuo simulated UPS, 6 kVA, network card",
        object_id=(*_ENTERPRISE, 99999, 3, 6),
        services=64,
        location="机房 server room",
        ports=[Port(index=1, name="eth0", mac=_mac(random), speed=100, load=0.0005)],
        booted=start - random.randrange(100, 400) * _DAYS_MS,
    )


def _printer(random: Random, start: int) -> Device:
    return Device(
        name=PRINTER,
        title="office printer",
        title_zh="办公室打印机",
        description="Fenghuo simulated laser printer",
        object_id=(*_ENTERPRISE, 99999, 4, 1),
        services=64,
        location="办公楼 office building, 3F",
        ports=[Port(index=1, name="eth0", mac=_mac(random), speed=100, load=0.002)],
        booted=start - random.randrange(1, 30) * _DAYS_MS,
    )


def _camera(random: Random, start: int) -> Device:
    return Device(
        name=CAMERA,
        title="camera at the gate",
        title_zh="校门摄像头",
        description="Simulated Hikvision camera",
        object_id=(*_ENTERPRISE, 39165, 1),
        services=64,
        location="校门 school gate",
        ports=[Port(index=1, name="eth0", mac=_mac(random), speed=100, load=0.06)],
        booted=start - random.randrange(5, 90) * _DAYS_MS,
    )


def _storage(random: Random, start: int) -> Device:
    return Device(
        name=STORAGE,
        title="office file server",
        title_zh="办公文件服务器",
        description="Linux nas-office 4.4.302+ x86_64, simulated",
        object_id=(*_ENTERPRISE, 8072, 3, 2, 10),
        services=72,
        location="办公楼 office building, 3F",
        ports=[Port(index=1, name="eth0", mac=_mac(random), load=0.03)],
        booted=start - random.randrange(30, 300) * _DAYS_MS,
    )


def _thermometer(random: Random, start: int) -> Device:
    return Device(
        name=THERMOMETER,
        title="server room thermometer",
        title_zh="机房温湿度计",
        description="HWg-STE, simulated, version 3.1.6",
        object_id=(*_ENTERPRISE, 21796, 4, 1),
        services=64,
        location="机房 server room",
        ports=[Port(index=1, name="eth0", mac=_mac(random), speed=10, load=0.0005)],
        booted=start - random.randrange(30, 300) * _DAYS_MS,
    )
