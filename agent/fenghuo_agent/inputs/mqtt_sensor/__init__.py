"""Environmental sensors that publish JSON to an MQTT broker."""

from __future__ import annotations

from fenghuo_agent.inputs.mqtt_sensor.config import MqttSensorConfig
from fenghuo_agent.inputs.mqtt_sensor.input import MqttSensorInput, inputs
from fenghuo_agent.inputs.mqtt_sensor.metrics import MqttSensorMetrics

__all__ = ["MqttSensorConfig", "MqttSensorInput", "MqttSensorMetrics", "inputs"]
