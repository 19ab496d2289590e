"""A broker's section: what is refused, and what follows from its URL."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fenghuo.config import Broker


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "http://x"}, "no broker's address"),
        ({"url": "mqtt://"}, "no broker's address"),
        ({"url": "mqtt://x/path"}, "no broker's address"),
        ({"url": "mqtt://x:99999"}, "no address"),
        ({"url": "mqtt://u:hush@x"}, "not in the address"),
        ({"url": "mqtt://u:hush@x:99999"}, "no address"),
        ({"url": "mqtt://x", "tls": {"ca": "ca.pem"}}, "needs an mqtts:// URL"),
        ({"url": "mqtts://x", "tls": {"key": "a.key"}}, "belong together"),
        ({"url": "mqtt://x", "password": "hush"}, "needs a `username`"),
    ],
)
def test_what_cannot_work_is_refused_without_telling_secrets(options, says):
    with pytest.raises(ValidationError, match=says) as caught:
        Broker.model_validate(options)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "encrypted"),
    [
        ("mqtt://soc.example.cn", "soc.example.cn", 1883, False),
        ("mqtts://soc.example.cn/", "soc.example.cn", 8883, True),
        ("mqtts://[::1]:9000", "::1", 9000, True),
    ],
)
def test_host_port_and_tls_follow_from_the_url(url, host, port, encrypted):
    broker = Broker(url=url)
    assert (broker.host, broker.port, broker.encrypted) == (host, port, encrypted)
