"""
The connection of a T-Library client: bytes to messages, and the watch over its
silence.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipcluster.tlib.codec import Envelope, decode, encode
from sipcluster.tlib.errors import BadMessage
from sipcluster.tlib.messages import LinkPoll, LinkPollAnswer
from sipcluster.wire.frames import FrameError, FrameReader
from sipcluster.wire.keepalive import KeepAlive

#: Why a connection is given up whose other end says nothing any more.
SILENT = "no answer to a poll"


@frozen
class Ends:
    """
    Whom a connection tells.

    @ivar received: is given each message, polls aside, and how many bytes it had.
    @ivar unreadable: is given what is wrong with a message that could not be read;
        the frames around it can be.
    @ivar lost: is told why the connection is gone, or of no use; called once.
    @ivar position: tells what to acknowledge.
    """

    received: Callable[[Envelope, int], None]
    unreadable: Callable[[BadMessage], None]
    lost: Callable[[str], None]
    position: Callable[[], int]


class ClientProtocol(Protocol):
    """
    One connection to a T-Library server.

    It stops reading when it is paused: then nothing is handed over, bytes already
    here included, and the server is not suspected of silence.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._reader = FrameReader()
        self._ends: Ends | None = None
        self._keepAlive: KeepAlive | None = None
        self._paused = False
        self._reading = False
        self._lost = False
        self._whenLost: list[Callable[[], None]] = []

    # What its owner does with it.

    def serve(self, ends: Ends) -> None:
        """
        Tell somebody from now on.
        """
        if self._lost:
            ends.lost("the connection ended at once")
        else:
            self._ends = ends

    def watch(self, seconds: float) -> None:
        """
        Poll when nothing was heard for so many seconds, and give up after as many
        again.
        """
        if self._keepAlive is not None:
            self._keepAlive.stop()
        self._keepAlive = KeepAlive(self._clock, seconds, self._poll, self._silent)
        if not self._paused:
            self._keepAlive.start()

    def write(self, frame: bytes) -> None:
        """
        Send one frame, or several.
        """
        if self.transport is not None and not self._lost:
            self.transport.write(frame)

    def pause(self) -> None:
        """
        Read no more until L{resume}.
        """
        if self._paused or self._lost:
            return
        self._paused = True
        if self._keepAlive is not None:
            self._keepAlive.stop()
        assert self.transport is not None
        self.transport.pauseProducing()  # type: ignore[attr-defined] # IPushProducer

    def resume(self) -> None:
        """
        Read again, what is here first.
        """
        if not self._paused or self._lost:
            return
        self._paused = False
        if self._keepAlive is not None:
            self._keepAlive.start()
        self._read()
        if not self._paused and not self._lost:
            assert self.transport is not None
            self.transport.resumeProducing()  # type: ignore[attr-defined] # the same

    def abandon(self, abort: bool, gone: Callable[[], None] | None = None) -> None:
        """
        Tell nobody any more, and close.

        @param abort: without sending what is still to be sent.
        @param gone: called when the connection is.
        """
        self._ends = None
        if self._keepAlive is not None:
            self._keepAlive.stop()
            self._keepAlive = None
        if self._lost or self.transport is None:
            if gone is not None:
                gone()
            return
        if gone is not None:
            self._whenLost.append(gone)
        if self._paused:
            # A transport that does not read does not hear the other end close.
            self._paused = False
            self.transport.resumeProducing()  # type: ignore[attr-defined] # as above
        if abort:
            self.transport.abortConnection()  # type: ignore[attr-defined] # ITCPTransport
        else:
            self.transport.loseConnection()

    # What the transport tells.

    def connectionMade(self) -> None:
        """
        Requests are small, and someone waits for each.
        """
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        """
        Take bytes.
        """
        if self._ends is None:
            return
        if self._keepAlive is not None:
            self._keepAlive.heard()
        self._reader.receive(data)
        self._read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Tell, unless nobody wants to know any more.
        """
        self._lost = True
        if self._keepAlive is not None:
            self._keepAlive.stop()
            self._keepAlive = None
        ends, self._ends = self._ends, None
        whenLost, self._whenLost = self._whenLost, []
        for gone in whenLost:
            gone()
        if ends is not None:
            ends.lost(reason.getErrorMessage())

    # Reading.

    def _read(self) -> None:
        """
        Hand over the messages that are here, until somebody pauses.
        """
        if self._reading:
            return
        self._reading = True
        try:
            while not self._paused and self._ends is not None:
                frame = self._reader.nextFrame()
                if frame is None:
                    break
                self._frame(self._ends, frame)
        except FrameError as e:
            self._fail(str(e))
        finally:
            self._reading = False

    def _frame(self, ends: Ends, frame: bytes) -> None:
        try:
            envelope = decode(frame)
        except BadMessage as e:
            if e.fatal:
                self._fail(e.why)
            else:
                ends.unreadable(e)
            return
        kind = type(envelope.message)
        if kind is LinkPoll:
            self.write(encode(LinkPollAnswer(), ends.position(), envelope.reference))
        elif kind is not LinkPollAnswer:
            ends.received(envelope, len(frame))

    def _fail(self, why: str) -> None:
        ends = self._ends
        self.log.warn("cutting the T-Library server off: {why}", why=why)
        self.abandon(abort=True)
        if ends is not None:
            ends.lost(why)

    # Silence.

    def _poll(self) -> None:
        if self._ends is not None:
            self.write(encode(LinkPoll(), self._ends.position()))

    def _silent(self) -> None:
        self._fail(SILENT)
