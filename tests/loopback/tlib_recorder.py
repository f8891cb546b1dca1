"""
The example of a T-Library client, in a process that tests may kill: it comes back
faster than the example does, so that 200 times take no minute.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from sipcluster.tlib.client import Times

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "tlib_client.py"

TIMES = Times(first=0.01, reconnect=0.1, settled=0.0)


def main(reactor: Any, port: str, path: str, *dns: str) -> Deferred[None]:
    """
    Record until killed.
    """
    recorder = runpy.run_path(str(EXAMPLE))["Recorder"](
        reactor, port, "recorder", "secret", path, dns, times=TIMES
    )
    recorder.startService()
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
