"""What can go wrong with one device, each with what an operator should look at."""

from __future__ import annotations

from fenghuo.errors import FenghuoError
from fenghuo_agent.snmp.message import ERROR_NAMES


class SnmpError(FenghuoError):
    """A device could not be asked or gave no useful answer; `kind` is a metric label, `hint` says what to do."""

    kind = "error"
    hint = ""

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} ({self.hint})" if self.hint else text


class Unanswered(SnmpError):  # noqa: N818 — the name says what happened
    """No answer in time, retries included."""

    kind = "timeout"
    hint = (
        "check address, routing and firewall (UDP 161), and that the device lets this host ask: "
        "a wrong community is met with silence"
    )


class Late(Unanswered):
    """The time for all questions was up before this one could be answered."""

    hint = "it answers slowly, or no more; a longer deadline gives it time"


class Refused(SnmpError):  # noqa: N818 — the name says what happened
    """The network or the host says that nobody is there (ICMP), or the request could not be sent."""

    kind = "refused"
    hint = "no SNMP agent listens at this address and port, or there is no route to it"


class Flooded(SnmpError):  # noqa: N818 — the name says what happened
    """The peer sends much that is no answer."""

    kind = "flooded"
    hint = "something at this address sends datagrams that answer nothing; look at it with tcpdump"


class Faulty(SnmpError):  # noqa: N818 — the name says what happened
    """The device answers, but with an error status or with what is no table."""

    kind = "faulty"


class ErrorStatus(Faulty):
    """An error status in an answer (RFC 3416, section 3); `index` counts varbinds from 1, 0 for none."""

    def __init__(self, status: int, index: int) -> None:
        name = ERROR_NAMES[status] if 0 <= status < len(ERROR_NAMES) else str(status)
        super().__init__(f"the device answers with error {name}")
        self.status = status
        self.index = index


_REPORT_HINTS = {
    "unsupportedSecLevels": "the user is not set up for this level: check that auth and priv are what the device expects",
    "notInTimeWindows": "the device's engine clock jumps; it may have lost its boot counter",
    "unknownUserNames": "the device does not know this user; check `user`",
    "unknownEngineIDs": "the device changes its engine id",
    "wrongDigests": "the user exists but the signature is wrong; check the `auth` algorithm and password",
    "silence": "it says who it is, but does not answer the user; check the `priv` algorithm and password",
    "authorizationError": "the user or community may not read this; check the device's views, and that auth and priv are given",
    "decryptionErrors": "the signature is right but the content is not; check the `priv` algorithm and password",
}


class Denied(SnmpError):  # noqa: N818 — the name says what happened
    """The device knows us not, or not well enough.

    `report` is the usmStats object of a v3 report without its prefix (RFC 3414), `silence`, or `authorizationError`.
    """

    kind = "denied"

    def __init__(self, report: str) -> None:
        super().__init__(f"the device does not let us in: {report}")
        self.report = report
        self.hint = _REPORT_HINTS.get(report, "check user, auth and priv")
