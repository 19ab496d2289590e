"""The MQTT client: aiomqtt with what the broker says of each message."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fenghuo.mqtt import Client
from fenghuo_agent.transport.config import TransportConfig

NO_SUBSCRIBERS = 0x10
FAILURE = 0x80
UNSUPPORTED_VERSION = 0x84
MAX_INFLIGHT = 16
"""Messages given to the broker and not confirmed; every broker's receive maximum is at least this by default."""


class BrokerClient(Client):
    """Tells what the broker said of each message, honours its receive maximum."""

    def __init__(self, config: TransportConfig, identifier: str, will: aiomqtt.Will, *, five: bool) -> None:
        super().__init__(
            config.host,
            config.port,
            identifier=identifier,
            username=config.username,
            password=config.password.reveal() if config.password else None,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_start=True if five else 3,  # 3: unused below MQTT 5
            clean_session=None if five else True,
            keepalive=max(1, round(config.keepalive)),
            timeout=config.connect_timeout,
            will=will,
            tls_context=config.tls.context() if config.encrypted else None,
            max_inflight_messages=MAX_INFLIGHT,
            max_queued_incoming_messages=1000,
        )
        self._confirmations: dict[int, asyncio.Future[int]] = {}
        self.pending_calls_threshold = 10 * MAX_INFLIGHT
        self.receive_maximum = MAX_INFLIGHT
        """Messages that the broker takes without having confirmed them."""

    def _on_connect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        maximum = getattr(properties, "ReceiveMaximum", None)
        if isinstance(maximum, int):
            self.receive_maximum = min(MAX_INFLIGHT, maximum)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    async def deliver(self, topic: str, payload: bytes, seconds: float) -> int:
        """Publish with QoS 1; the broker's reason code (0 from a broker of MQTT 3.1.1).

        Raises `MqttError` where the connection is lost, or nothing is confirmed within `seconds`.
        """
        info = self._client.publish(topic, payload, 1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(info.rc, "cannot publish")
        confirmation = self._loop.create_future()
        self._confirmations[info.mid] = confirmation
        try:
            async with asyncio.timeout(seconds):
                return await confirmation
        except TimeoutError:
            raise aiomqtt.MqttError(f"the broker confirmed nothing for {seconds:g} s") from None
        finally:
            del self._confirmations[info.mid]

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        confirmation = self._confirmations.get(mid)
        if confirmation is None:
            super()._on_publish(client, userdata, mid, reason_code, properties)
        elif not confirmation.done():
            confirmation.set_result(reason_code.value)


async def speaks_five(config: TransportConfig) -> bool:
    """Whether the broker takes MQTT 5, asked by a bare connection: no will, no name, which brokers of 3.1.1 may misread.

    Any answer but "unsupported protocol version" (reason 0x84; section 3.2.2.2) is one of MQTT 5.
    Raises `MqttError` where there is no answer, `Permanent` where the TLS files cannot be used.
    """
    client = Client(
        config.host,
        config.port,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
        timeout=config.connect_timeout,
        tls_context=config.tls.context() if config.encrypted else None,
    )
    try:
        async with client:
            return True
    except MqttConnectError as error:
        return getattr(error.rc, "value", error.rc) != UNSUPPORTED_VERSION
