"""Starting and ending the demo's processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

from fenghuo.demo.children import start, stop
from servers.process import wait_for

DEAF = (
    "import signal,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_child_that_does_not_listen_is_killed_in_time(tmp_path: Path):
    child = await start("deaf", ["-c", DEAF], tmp_path)
    wait_for(lambda: "ready" in child.last_words(), "the child to be ready", 10)
    began = time.monotonic()
    await stop([child], 0.3)
    assert time.monotonic() - began < 1
    assert child.ended
    assert not alive(child.process.pid)


async def test_what_a_killed_child_started_is_killed_too(tmp_path: Path):
    script = (
        f"import subprocess,sys; p=subprocess.Popen([sys.executable,'-c',{DEAF!r}]); print(p.pid,flush=True); p.wait()"
    )
    child = await start("parent", ["-c", script], tmp_path)
    wait_for(lambda: "ready" in child.last_words(), "the child to be ready", 10)
    grandchild = int(child.last_words().splitlines()[0])
    await stop([child], 0.1)
    wait_for(lambda: not alive(grandchild), "the grandchild to end", 5)


async def test_a_childs_last_words_are_kept(tmp_path: Path):
    child = await start("loud", ["-c", "print('\\n'.join(map(str, range(5000)))); raise SystemExit(3)"], tmp_path)
    assert await child.process.wait() == 3
    assert child.ended
    assert child.last_words(2) == "4998\n4999"


def test_children_end_when_the_demo_is_killed(tmp_path: Path):
    script = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from fenghuo.demo.children import start
        async def main():
            child = await start("deaf", ["-c", {DEAF!r}], Path({str(tmp_path)!r}))
            print(child.process.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as demo:
        child = int(demo.stdout.readline())
        assert alive(child)
        demo.kill()
    wait_for(lambda: not alive(child), "the child to end with its parent", 5)
