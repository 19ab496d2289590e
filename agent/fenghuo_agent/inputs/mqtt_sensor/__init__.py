"""Environmental sensors that publish JSON to an MQTT broker."""

from __future__ import annotations

from fenghuo_agent.inputs.mqtt_sensor.config import MqttSensorConfig

__all__ = ["MqttSensorConfig"]
