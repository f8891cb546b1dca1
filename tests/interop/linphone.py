"""
linphone's console as a telephone: commands on its standard input, and what it says
of its calls on its standard output.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

from attrs import define

from tests.bench.processes import Program
from tests.interop.namespaces import Namespace
from tests.interop.status import until

_RC = """\
[sip]
sip_port=5060
sip_tcp_port=5060
sip_tls_port=5061
use_ipv6=0
root_ca={authority}
verify_server_certs=1
verify_server_cn=1
default_proxy=0
[proxy_0]
reg_proxy=<{outbound}>
reg_route=<{outbound};lr>
reg_identity=sip:{number}@lab.example
reg_expires=600
reg_sendregister=1
[auth_info_0]
username={number}
passwd=secret-{number}
realm=lab.example
"""


@define
class Linphone:
    """
    One telephone.
    """

    number: str
    folder: Path
    program: Program
    _seen: int = 0

    @classmethod
    def start(
        cls,
        number: str,
        namespace: Namespace,
        folder: Path,
        outbound: str,
        authority: Path,
    ) -> Linphone:
        """
        Start a telephone; it registers by itself.

        @param outbound: URI of the SIP Proxy.
        @param authority: whose certificates it believes.
        """
        (folder / ".local/share/linphone").mkdir(parents=True)
        rc = folder / "rc"
        rc.write_text(_RC.format(number=number, outbound=outbound, authority=authority))
        program = Program.start(
            ["linphonec", "-c", str(rc), "-d", "5", "-l", str(folder / "log")],
            folder / "out",
            namespace,
            {"HOME": str(folder), "TERM": "dumb"},
            stdin=subprocess.PIPE,
            folder=folder,
        )
        phone = cls(number, folder, program)
        phone.say("soundcard use files")
        return phone

    def say(self, command: str) -> None:
        """
        Give a command; what is said after it is what L{told} looks at.
        """
        self._seen = len(self.program.said(1 << 30))
        assert self.program.process.stdin is not None
        self.program.process.stdin.write(command.encode() + b"\n")
        self.program.process.stdin.flush()

    async def told(self, reactor: Any, words: str, seconds: float = 10.0) -> None:
        """
        Wait for it to say something since the last command.
        """
        try:
            await until(
                reactor,
                lambda: words in self.program.said(1 << 30)[self._seen :],
                seconds,
                words,
                0.05,
            )
        except AssertionError:
            raise AssertionError(
                f"{self.number}: not {words!r} in {seconds:g} s: {self.program.said()}"
            ) from None

    def log(self) -> str:
        """
        Its own log, with every message.
        """
        file = self.folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    async def stop(self, reactor: Any) -> None:
        """
        End it; it takes its binding back.
        """
        if self.program.running:
            self.say("quit")
            with contextlib.suppress(AssertionError):
                await until(reactor, lambda: not self.program.running, 3.0, "end")
        self.program.kill()
