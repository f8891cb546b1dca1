"""
A process that outlives another one by a moment: it gives back the role of a member
of a pair that has died.

It reads its standard input, of which that member has the only other end.  The first
line says what it would have to do; the end of the input says that the member is
dead, however it died: then the key of the cluster store that says that the member is
primary is deleted, if it does.  A line C{over} says that there is nothing to do.

It loads nothing of this package: it is to be small, and quick.
"""

import base64
import http.client
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

#: Seconds for one answer, and for all of it.
ANSWER, ALL = 1.0, 30.0

#: Seconds between two tries, and until a second look: what the member asked for last
#: may still be on its way when it dies.
PAUSE, AGAIN = 0.1, 1.0


class Failed(Exception):
    """
    A store gave no answer that can be used.
    """


def post(plan: dict[str, Any], url: str, path: str, body: object) -> dict[str, Any]:
    """
    Ask a store.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    made: http.client.HTTPConnection
    if parts.scheme == "https":
        import ssl

        context = ssl.create_default_context(cafile=plan.get("ca"))
        if plan.get("certificate"):
            context.load_cert_chain(plan["certificate"], plan.get("key-file"))
        made = http.client.HTTPSConnection(host, port, timeout=ANSWER, context=context)
    else:
        made = http.client.HTTPConnection(host, port, timeout=ANSWER)
    try:
        made.request("POST", parts.path.rstrip("/") + path, json.dumps(body))
        answer = made.getresponse()
        content = answer.read(1 << 20)
        if answer.status != 200:
            raise Failed(f"{url}: status {answer.status}")
        read = json.loads(content)
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise Failed(f"{url}: {e}") from e
    finally:
        made.close()
    if not isinstance(read, dict):
        raise Failed(f"{url}: no object")
    return read


def ours(value: bytes, own: bytes) -> bool:
    """
    Whether the value of the key is of the member that is watched over.
    """
    if value == own:
        return True
    start, _, epoch = value.rpartition(b"@")
    return start == own and epoch.isdigit()


def release(plan: dict[str, Any], url: str) -> bool:
    """
    Give the role back, if the member has it.

    @return: whether it had.

    @raise Failed: it is not known.
    """
    key, own = plan["key"], base64.b64decode(plan["value"])
    read = post(plan, url, "/v3/kv/range", {"key": key})
    try:
        found = [
            each["create_revision"]
            for each in read.get("kvs", [])
            if ours(base64.b64decode(each.get("value", "")), own)
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise Failed(f"{url}: {e!r}") from e
    if not found:
        return False
    same = {"key": key, "target": "CREATE", "create_revision": found[0]}
    delete = {"request_delete_range": {"key": key}}
    post(plan, url, "/v3/kv/txn", {"compare": [same], "success": [delete]})
    return True


def settle(plan: dict[str, Any]) -> bool:
    """
    Give the role back at whichever store answers first: all are asked at once, since
    one of them may have been on the host that has died.

    @return: whether one has answered.
    """
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask(url: str) -> None:
        try:
            release(plan, url)
        except Failed:
            answers.put(False)
        else:
            answers.put(True)

    end = time.monotonic() + ALL
    while time.monotonic() < end:
        for url in plan["urls"]:
            threading.Thread(target=ask, args=(url,), daemon=True).start()
        if any(answers.get() for _ in plan["urls"]):
            return True
        time.sleep(PAUSE)
    return False


def main() -> int:
    """
    Wait for the end of the member.
    """
    # Whoever ends the member's process group, or presses Ctrl-C, does not mean us.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(each, signal.SIG_IGN)
    if os.getpid() != os.getsid(0):
        os.setsid()
    os.chdir("/")
    while os.open(os.devnull, os.O_RDWR) <= 2:
        pass  # it was given no output
    lines = sys.stdin.buffer
    try:
        plan = json.loads(lines.readline())
    except ValueError:
        return 2
    for line in lines:
        if line == b"over\n":
            return 0
    if not settle(plan):
        return 1
    time.sleep(AGAIN)
    return 0 if settle(plan) else 1


if __name__ == "__main__":
    sys.exit(main())
