"""A warmed process that forks workers and kills them: `python -m tests.soak.nursery`.

It reads orders, one JSON object a line, and answers each with one line when the worker has ended: how, and what it
said. A worker runs the function of `tests.soak.work` that the order names. With `seconds` it is killed after so long,
unless it has ended. With `stops` the first answer comes when it has stopped itself; the next line it is given, of
any content, wakes it up.
"""

import gc
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

from tests.soak import work


def main() -> None:
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _work(order, writing)
        os.close(writing)
        if order.get("stops"):
            _, status = os.waitpid(pid, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                _answer({"ended": "stopped", "pid": pid, "said": None})
                sys.stdin.readline()
                os.kill(pid, signal.SIGCONT)
                _, status = os.waitpid(pid, 0)
        else:
            status = _ended(pid, order.get("seconds"))
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        how = "killed" if os.WIFSIGNALED(status) else "done" if status == 0 else "failed"
        _answer({"ended": how, "pid": pid, "said": json.loads(said) if said else None})


def _work(order: dict[str, Any], writing: int) -> None:
    try:
        said = getattr(work, order["work"])(**order["with"])
        os.write(writing, json.dumps(said).encode())
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _ended(pid: int, seconds: float | None) -> int:
    """The worker's exit status; it is killed when it has not ended by then."""
    if seconds is None:
        return os.waitpid(pid, 0)[1]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
