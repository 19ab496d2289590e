"""What a target of each kind takes."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, cast

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fenghuo.config import Duration, Secret, Section, Size, Tls
from fenghuo_agent.inputs.probe.address import Url, parse_endpoint, parse_url
from fenghuo_agent.inputs.probe.dns_message import RCODES, TYPES, ascii_name

LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,63}")
RESERVED_LABELS = frozenset(
    {
        "job",
        "instance",
        "device",
        "site",
        "agent",
        "module",
        "host",
        "phase",
        "version",
        "cipher",
        "fingerprint_sha256",
        "le",
    }
)
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
MAX_TARGETS = 10_000

IpProtocol = Literal["ip4", "ip6", "any"]


def listed(value: Any) -> Any:
    """A bare text as a list of one."""
    return [value] if isinstance(value, str) else value


Addresses = Annotated[
    list[str] | dict[str, str],
    BeforeValidator(listed, json_schema_input_type=str | list[str] | dict[str, str]),
    Field(min_length=1, max_length=MAX_TARGETS),
]
"""One address, a list of them, or device → address."""


class Asked(NamedTuple):
    """One address of an entry: what its labels are, and where it is; 0 is the port of kinds without one."""

    instance: str
    device: str
    host: str
    port: int
    path: str = ""


class Options(Section):
    """What every kind of target takes."""

    kind: ClassVar[str]
    key: ClassVar[str]

    device: str = Field(
        default="", max_length=256, description="The `device` label; the address's host where not given."
    )
    interval: Duration | None = Field(default=None, ge=1, le=86400, description="Time between two probes.")
    timeout: Duration | None = Field(default=None, gt=0, le=60, description="How long one probe may take in all.")
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], max_length=16, description="More labels for every series of these targets."
    )
    ip: IpProtocol = Field(
        default="any",
        description="Which addresses of a name are asked: `ip4`, `ip6`, or the first that the system says.",
    )

    def asked(self) -> list[Asked]:
        """Each address of the entry."""
        given = cast("list[str] | dict[str, str]", getattr(self, self.key))
        named = given.items() if isinstance(given, dict) else ((self.device, text) for text in given)
        return [self.read(text, device) for device, text in named]

    def read(self, text: str, device: str) -> Asked:
        """One address; ValueError says what is wrong with it."""
        raise NotImplementedError

    @field_validator("labels")
    @classmethod
    def _free_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for label, text in labels.items():
            if not LABEL_NAME.fullmatch(label):
                raise ValueError(f"{label!r} is no label name: letters, digits and _, not starting with a digit or __")
            if label in RESERVED_LABELS:
                raise ValueError(f"the label {label!r} is set by Fenghuo itself")
            if not 0 < len(text) <= 256:
                raise ValueError(f"the label {label!r} needs 1 to 256 characters")
        return labels

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.device and isinstance(getattr(self, self.key), dict):
            raise ValueError("the addresses are given by device already: leave out `device`")
        self.asked()
        return self


def _endpoint(text: str, device: str, usual: int, shown: int = 0) -> Asked:
    endpoint = parse_endpoint(text, usual)
    instance = endpoint.text(shown)
    return Asked(instance=instance, device=device or endpoint.host, host=endpoint.host, port=endpoint.port)


def _of_url(url: Url, device: str) -> Asked:
    return Asked(instance=str(url), device=device or url.host, host=url.host, port=url.port, path=url.path)


class IcmpTarget(Options):
    """Echo requests (ping), by IPv4 or IPv6."""

    kind = key = "icmp"

    icmp: Addresses = Field(description="One address, a list, or a mapping of device to address.")
    count: int = Field(
        default=3, ge=1, le=100, description="Echo requests of one probe; it succeeds where one is answered."
    )
    gap: Annotated[Duration, Field(ge=0.01, le=10)] = Field(
        default=0.1, description="Time from one echo request to the next."
    )
    size: int = Field(default=56, ge=16, le=65_000, description="Bytes of an echo request behind its ICMP header.")

    def read(self, text: str, device: str) -> Asked:
        return _endpoint(text, device, 0)


class TcpTarget(Options):
    """A TCP port that takes connections, perhaps with TLS and with a greeting."""

    kind = key = "tcp"

    tcp: Addresses = Field(description="host:port, a list, or a mapping of device to host:port.")
    tls: bool | Tls = Field(default=False, description="Speak TLS: true, or how the certificate is verified.")
    send: str = Field(default="", max_length=4096, description="Text to send once connected.")
    banner: str = Field(
        default="", max_length=1000, description="Regular expression that what comes must fit, such as ^SSH-2.0-."
    )

    @property
    def tls_options(self) -> Tls | None:
        return tls_options(self.tls)

    @field_validator("banner")
    @classmethod
    def _expression(cls, text: str) -> str:
        return checked_expression(text)

    def read(self, text: str, device: str) -> Asked:
        asked = _endpoint(text, device, -1)
        if asked.port < 0:
            raise ValueError(f"{text!r} names no port: expected host:port, such as 10.20.0.5:22")
        return asked


class _WebOptions(Options):
    """What web pages take."""

    kind = "http"

    method: Literal["GET", "HEAD"] = Field(default="GET", description="Request method.")
    headers: dict[str, str] = Field(
        default_factory=dict[str, str], max_length=32, description="More request headers; not sent to other hosts."
    )
    username: str = Field(default="", max_length=256, description="User name of basic authentication.")
    password: Secret | None = Field(default=None, description="Password of basic authentication.")
    status: list[Annotated[int, Field(ge=100, le=599)]] = Field(
        default_factory=list[int], description="Status codes that are right; 200 to 299 where none is given."
    )
    body: str = Field(default="", max_length=1000, description="Regular expression that the body must fit.")
    body_not: str = Field(default="", max_length=1000, description="Regular expression that the body must not fit.")
    max_body: Size = Field(default=2**20, ge=0, le=2**26, description="Most bytes of the body that are read.")
    redirects: int = Field(default=5, ge=0, le=20, description="Most redirections that are followed.")
    tls: Tls = Field(default_factory=Tls, description="How a server's certificate is verified.")

    @field_validator("body", "body_not")
    @classmethod
    def _expression(cls, text: str) -> str:
        return checked_expression(text)

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, text in headers.items():
            if not TOKEN.fullmatch(name) or not text.isascii() or not text.isprintable():
                raise ValueError(f"{name!r} is no header of HTTP with printable ASCII")
            if name.lower() in {"host", "connection", "content-length", "transfer-encoding"}:
                raise ValueError(f"the header {name!r} is set by the probe itself")
        return headers

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.password is None) != (not self.username):
            raise ValueError("`username` and `password` belong together: give both or neither")
        if self.method == "HEAD" and (self.body or self.body_not):
            raise ValueError("an answer to HEAD has no body to look at")
        return self


class HttpTarget(_WebOptions):
    """A web page over HTTP."""

    key = "http"

    http: Addresses = Field(description="URL, a list, or a mapping of device to URL; `http://` may be left out.")

    def read(self, text: str, device: str) -> Asked:
        return _of_url(parse_url(text, "http", "https"), device)


class HttpsTarget(_WebOptions):
    """A web page over HTTPS."""

    key = "https"

    https: Addresses = Field(description="URL, a list, or a mapping of device to URL; `https://` may be left out.")

    def read(self, text: str, device: str) -> Asked:
        return _of_url(parse_url(text, "https"), device)


class DnsTarget(Options):
    """A name server, and what it says of a name."""

    kind = key = "dns"

    dns: Addresses = Field(description="Name server (host or host:port), a list, or a mapping of device to server.")
    query: str = Field(default=".", max_length=254, description="Name to ask for; the root where not given.")
    type: str = Field(default="", description="Type of records to ask for: A, but NS for the root.")
    protocol: Literal["udp", "tcp"] = Field(default="udp", description="`udp` goes on by TCP where an answer is cut.")
    recursion: bool = Field(default=True, description="Whether the server is asked to ask others.")
    rcode: list[str] = Field(default=["NOERROR"], min_length=1, description="Response codes that are right.")
    answers: list[str] | None = Field(
        default=None,
        max_length=64,
        description="What an answer may say: addresses, networks, names or texts; each that comes must be one of these. "
        "Anything where not given, but something; [] for nothing.",
    )

    @property
    def asked_type(self) -> str:
        return self.type or ("NS" if self.query == "." else "A")

    @field_validator("query")
    @classmethod
    def _name(cls, query: str) -> str:
        try:
            return ascii_name(query) or "."
        except ValueError:
            raise ValueError(f"{query!r} is no name: each part between dots has 1 to 63 characters") from None

    @field_validator("type")
    @classmethod
    def _known_type(cls, name: str) -> str:
        if name and name.upper() not in TYPES:
            raise ValueError(f"unknown type {name!r}; known are {', '.join(TYPES)}")
        return name.upper()

    @field_validator("rcode")
    @classmethod
    def _known_rcode(cls, names: list[str]) -> list[str]:
        for name in names:
            if name.upper() not in RCODES:
                raise ValueError(f"unknown response code {name!r}; known are {', '.join(RCODES)}")
        return [name.upper() for name in names]

    @field_validator("answers")
    @classmethod
    def _networks(cls, answers: list[str] | None) -> list[str] | None:
        for text in answers or ():
            if "/" in text:
                ip_network(text)
        return answers

    def read(self, text: str, device: str) -> Asked:
        """The instance is a URL of RFC 4501: one server may be asked for many names."""
        endpoint = parse_endpoint(text, 53)
        authority = endpoint.text(53)
        authority = f"[{authority}]" if authority.count(":") > 1 and "[" not in authority else authority
        instance = f"dns://{authority}/{self.query.strip('.')}?type={self.asked_type}"
        return Asked(instance=instance, device=device or endpoint.host, host=endpoint.host, port=endpoint.port)


class NtpTarget(Options):
    """A time server, and how far this host's clock is from it."""

    kind = key = "ntp"

    ntp: Addresses = Field(description="Time server (host or host:port), a list, or a mapping of device to server.")

    def read(self, text: str, device: str) -> Asked:
        return _endpoint(text, device, 123, 123)


class RtspTarget(Options):
    """A camera's or recorder's video stream: RTSP OPTIONS."""

    kind = key = "rtsp"

    rtsp: Addresses = Field(
        description="URL (rtsp:// or rtsps://) or host, a list, or a mapping of device to URL. No password: none is needed."
    )
    status: list[Annotated[int, Field(ge=100, le=599)]] = Field(
        default=[200, 401],
        min_length=1,
        description="Status codes that are right; 401 asks for a password, so it lives.",
    )
    tls: Tls = Field(default_factory=Tls, description="How the certificate of an rtsps:// server is verified.")

    def read(self, text: str, device: str) -> Asked:
        return _of_url(parse_url(text, "rtsp", "rtsps"), device)


class OnvifTarget(Options):
    """A camera's ONVIF service: its time of day, which needs no password."""

    kind = key = "onvif"

    onvif: Addresses = Field(description="Host or URL of the device service, a list, or a mapping of device to URL.")
    tls: Tls = Field(default_factory=Tls, description="How the certificate of an https:// service is verified.")

    def read(self, text: str, device: str) -> Asked:
        url = parse_url(text, "http", "https")
        return _of_url(url if url.path != "/" else url._replace(path="/onvif/device_service"), device)


KINDS: tuple[type[Options], ...] = (
    IcmpTarget,
    TcpTarget,
    HttpTarget,
    HttpsTarget,
    DnsTarget,
    NtpTarget,
    RtspTarget,
    OnvifTarget,
)


def tls_options(given: bool | Tls) -> Tls | None:
    """The options of TLS where it is wanted."""
    return Tls() if given is True else given or None


def checked_expression(text: str) -> str:
    """A regular expression that can be run; ValueError where it cannot."""
    if text:
        from fenghuo_agent.inputs.probe.pattern import Pattern  # noqa: PLC0415 — 2.7 MB for those who use it

        Pattern(text)
    return text
