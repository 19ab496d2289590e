"""Reachability: ICMP, TCP, HTTP(S), DNS, NTP, RTSP and ONVIF, under the names that blackbox_exporter gives."""

from __future__ import annotations

from fenghuo_agent.inputs.probe.config import ProbeConfig

__all__ = ["ProbeConfig"]
