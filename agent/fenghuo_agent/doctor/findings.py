"""What the doctor found: each check with its result and, where something is wrong, what to do; in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    DOUBT = "doubt"
    WRONG = "wrong"


class Cause(StrEnum):
    """Where a fault lies."""

    NONE = "none"
    ROUTING = "routing"
    HOST = "host"
    FIREWALL = "firewall"
    SERVICE = "service"
    COMMUNITY = "community"
    USER = "user"
    AUTHENTICATION = "authentication"
    PRIVACY = "privacy"
    LEVEL = "security-level"
    ENGINE_TIME = "engine-time"
    VIEW = "view"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `said` is what was seen; `advice` and `advice_zh` are what to do, empty where all is well."""

    check: str
    result: Result
    said: str
    cause: Cause = Cause.NONE
    advice: str = ""
    advice_zh: str = ""


ADVICE: dict[Cause, tuple[str, str]] = {
    Cause.ROUTING: (
        "This host has no route to the address: look at `ip route get ADDRESS`, the default gateway and the VLAN.",
        "本机没有到该地址的路由：用 `ip route get 地址` 检查路由、默认网关和 VLAN。",
    ),
    Cause.HOST: (
        "Nobody answers for this address on the local network: is the device on, is the address right?",
        "本地网络上没有设备应答该地址：确认设备已开机、地址无误。",
    ),
    Cause.FIREWALL: (
        "A firewall refuses UDP 161 on the way: allow it from this host to the device.",
        "途中的防火墙拒绝了 UDP 161：请放行本机到设备的该端口。",
    ),
    Cause.SERVICE: (
        "The device is there, but no SNMP agent listens on this port: switch SNMP on, or name another port.",
        "设备在线，但该端口没有 SNMP 服务：请在设备上启用 SNMP，或改用正确的端口。",
    ),
    Cause.COMMUNITY: (
        "SNMP answers, but not to this community: compare it with the device's, its version (v1, v2c) and its list of allowed managers.",
        "SNMP 服务有应答，但不接受该团体字：核对设备上的团体字、版本（v1、v2c）和允许的管理地址列表。",
    ),
    Cause.USER: (
        "The device does not know this user: make it there, or correct `user`.",
        "设备上没有该用户：请在设备上创建，或更正 `user`。",
    ),
    Cause.AUTHENTICATION: (
        "The user exists, but the signature is wrong: check the algorithm and the password of `auth`.",
        "用户存在，但认证失败：检查 `auth` 的算法和密码。",
    ),
    Cause.PRIVACY: (
        "The user is let in, but what is encrypted is not understood: check the algorithm and the password of `priv`. AES-192 and AES-256 exist in two kinds: try aes256c in place of aes256.",
        "用户认证通过，但加密内容无法解读：检查 `priv` 的算法和密码；AES-192、AES-256 有两种密钥扩展方式，可将 aes256 换为 aes256c 再试。",
    ),
    Cause.LEVEL: (
        "The user is not set up for this security level: give auth and priv as the device has them, no more and no less.",
        "该用户的安全级别与设备不一致：auth 与 priv 须与设备上的设置完全对应。",
    ),
    Cause.ENGINE_TIME: (
        "The device's engine clock does not hold: it may forget its boot counter (snmpEngineBoots), or two devices have the same engine id. Set the engine id anew, or restart its SNMP agent.",
        "设备的 SNMP 引擎时间不一致：可能丢失了启动计数（snmpEngineBoots），或两台设备引擎 ID 相同。请重设引擎 ID 或重启其 SNMP 服务。",
    ),
    Cause.VIEW: (
        "The device lets us in, but shows only a part: give the community or user a read view of 1.3.6.1 (and 1.0.8802 for LLDP).",
        "设备允许登录，但只开放了部分内容：请为该团体字或用户配置可读视图 1.3.6.1（LLDP 需 1.0.8802）。",
    ),
    Cause.DEVICE: (
        "The device answers, but not as it should: look at its load and the version of its software.",
        "设备有应答但不正常：检查其负载和软件版本。",
    ),
}


def wrong(check: str, said: str, cause: Cause, result: Result = Result.WRONG) -> Finding:
    """A fault with the advice for its cause."""
    return Finding(check, result, said, cause, *ADVICE[cause])


def unanswered(check: str, *, alive: bool | None) -> Finding:
    """Silence: nobody answers UDP, though perhaps a ping."""
    if alive:
        return Finding(
            check, Result.WRONG, "the device answers a ping, but nothing on this port", Cause.FIREWALL,
            "Either a firewall drops UDP 161 between here and there, or SNMP is off on the device, or its list of allowed "
            "managers leaves this host out: look at these three in turn.",
            "可能是途中防火墙丢弃了 UDP 161，或设备未启用 SNMP，或设备的允许管理地址列表中没有本机：请逐一检查。",
        )  # fmt: skip
    return Finding(
        check, Result.WRONG, "nothing comes back, not even to a ping", Cause.HOST,
        "Is the device on and the address right? If so, a firewall drops everything on the way.",
        "设备是否开机、地址是否正确？若均无误，则是途中防火墙丢弃了全部报文。",
    )  # fmt: skip
