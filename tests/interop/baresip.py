"""
baresip as a telephone without a person: a script dials, answers and holds over its
control port, and what it heard is in a file afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.protocols.basic import NetstringReceiver

from tests.bench.processes import Program
from tests.interop.namespaces import Namespace
from tests.interop.sound import RATE, readSamples, share, writeTone
from tests.interop.status import until

_CONTROL = 4444

_MODULES = Path("/usr/lib/baresip/modules")

_CONFIG = """\
poll_method epoll
sip_listen {address}:5060
{security}
call_local_timeout 60
call_max_calls 4
module_path {modules}
module aufile.so
module aubridge.so
module sndfile.so
module g711.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
{further}
audio_source aufile,{tone}
audio_player aubridge,{number}
audio_alert aubridge,{number}-alert
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
snd_path {heard}
rtp_ports 10000-10100
ctrl_tcp_listen {address}:{control}
"""


class _Control(NetstringReceiver):
    """
    The control connection: one JSON object a netstring.
    """

    def __init__(self, received: Callable[[dict[str, Any]], None]) -> None:
        self._received = received

    def stringReceived(self, string: bytes) -> None:
        self._received(json.loads(string))


@define
class Baresip:
    """
    One telephone.

    @ivar address: its own, in its namespace.
    @ivar events: what it has told, in order.
    """

    number: str
    address: str
    namespace: Namespace
    folder: Path
    frequency: int
    program: Program
    events: list[dict[str, Any]] = field(factory=list)
    _control: _Control | None = None

    @classmethod
    async def start(
        cls,
        reactor: Any,
        number: str,
        address: str,
        namespace: Namespace,
        folder: Path,
        outbound: str,
        frequency: int,
        authority: Path | None = None,
        account: str = "",
        registers: bool = True,
        settings: str = "",
        modules: Sequence[str] = (),
    ) -> Baresip:
        """
        Start a telephone, and wait until its control port answers.

        @param outbound: URI of the SIP Proxy.
        @param frequency: what it plays into its calls, in hertz.
        @param authority: certificate authority for TLS.
        @param registers: whether it registers.
        @param settings: further lines of its configuration.
        @param account: further account parameters, each with a semicolon before.
        @param modules: further application modules.
        """
        heard = folder / "heard"
        heard.mkdir(parents=True)
        tone = folder / "tone.wav"
        writeTone(tone, frequency)
        (folder / "config").write_text(
            _CONFIG.format(
                address=address,
                security=f"sip_cafile {authority}" if authority else "",
                modules=_MODULES,
                further="".join(f"module_app {name}.so\n" for name in modules),
                tone=tone,
                number=number,
                rate=RATE,
                heard=heard,
                control=_CONTROL,
            )
            + settings
        )
        (folder / "accounts").write_text(
            f"<sip:{number}@lab.example>;auth_user={number}"
            f';auth_pass=secret-{number};outbound="{outbound}"'
            f";regint={60 if registers else 0}"
            f";audio_codecs=PCMU/8000/1{account}\n"
        )
        (folder / "contacts").write_text("")
        program = Program.start(
            ["baresip", "-4", "-f", str(folder)], folder / "out", namespace
        )
        phone = cls(number, address, namespace, folder, frequency, program)
        for attempt in range(100):
            try:
                with namespace.entered():
                    connecting = connectProtocol(
                        TCP4ClientEndpoint(reactor, address, _CONTROL, timeout=2),
                        _Control(phone.events.append),
                    )
                phone._control = await connecting
                break
            except Exception:
                if attempt == 99 or not program.running:
                    raise AssertionError(f"baresip: {program.said()}") from None
                await until(reactor, after(1), 5, "another attempt", 0.05)
        return phone

    def say(self, command: str, parameters: str = "") -> None:
        """
        Give a command of baresip's menu.
        """
        assert self._control is not None
        message = {"command": command, "params": parameters, "token": command}
        self._control.sendString(json.dumps(message).encode())

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """
        The events of one type since L{forget}.
        """
        return [event for event in self.events if event.get("type") == kind]

    def forget(self) -> None:
        """
        Begin anew with events.
        """
        self.events.clear()

    async def told(self, reactor: Any, kind: str, seconds: float = 10.0) -> Any:
        """
        Wait for an event.
        """
        try:
            await until(reactor, lambda: self.seen(kind), seconds, kind, 0.02)
        except AssertionError:
            raise AssertionError(
                f"{self.number}: no {kind} in {seconds:g} s; {self.events}; "
                f"{self.program.said()}"
            ) from None
        return self.seen(kind)[-1]

    def heard(self) -> tuple[int, ...]:
        """
        All samples that came out of its calls so far, one call after another.
        Of a call that was on hold, what came before: baresip 1.0 ends its dump
        there.
        """
        found: tuple[int, ...] = ()
        for file in sorted((self.folder / "heard").glob("*-dec.wav")):
            found += readSamples(file)
        return found

    async def hears(self, reactor: Any, frequency: int, seconds: float = 0.5) -> None:
        """
        Wait until it hears a tone, and nothing else, for a while from now on.
        """
        start = len(self.heard())
        wanted = int(RATE * seconds)
        try:
            await until(
                reactor,
                lambda: (
                    share(self.heard()[start:][-wanted:], frequency) > 0.9
                    and len(self.heard()) - start >= wanted
                ),
                10.0,
                "",
                0.1,
            )
        except AssertionError:
            samples = self.heard()[start:]
            part = share(samples[-wanted:], frequency)
            raise AssertionError(
                f"{self.number} heard {len(samples)} samples, of which "
                f"{part:.2f} is {frequency:g} Hz; {self.program.said()}"
            ) from None

    async def stop(self, reactor: Any) -> None:
        """
        End it; it takes its binding back first.
        """
        if self._control is not None and self._control.transport is not None:
            self._control.transport.loseConnection()
            lost: Deferred[None] = Deferred()
            self._control.connectionLost = (  # type: ignore[method-assign]
                lambda reason=None: lost.callback(None)
            )
            await lost
        await self.program.stop(reactor, 3.0)


def after(calls: int) -> Callable[[], bool]:
    """
    False for some calls, then true.
    """
    left = [calls]

    def counted() -> bool:
        left[0] -= 1
        return left[0] < 0

    return counted
