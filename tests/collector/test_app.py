"""The collector as a whole, as far as its parts' own tests do not reach."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.errors import Permanent
from fenghuo_collector.app import started
from fenghuo_collector.config import CollectorConfig
from servers.process import free_port


def configuration(folder: Path) -> CollectorConfig:
    return CollectorConfig.model_validate(
        {
            "site": "bj",
            "data": str(folder),
            "embedded_broker": {"listen": f"127.0.0.1:{free_port()}"},
            "console": {"listen": "127.0.0.1:0"},
        }
    )


async def test_two_collectors_do_not_share_one_folder(tmp_path: Path) -> None:
    async with started(configuration(tmp_path), SystemClock(), Random(1), CollectorRegistry()):
        with pytest.raises(Permanent, match=r"in use by process \d+; stop that collector first"):
            async with started(configuration(tmp_path), SystemClock(), Random(1), CollectorRegistry()):
                pass
    async with started(configuration(tmp_path), SystemClock(), Random(1), CollectorRegistry()):
        pass  # and it is free again


async def test_a_folder_that_cannot_be_had_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match=r"the folder .*file/data"):
        async with started(configuration(tmp_path / "file/data"), SystemClock(), Random(1), CollectorRegistry()):
            pass
