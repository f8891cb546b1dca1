"""
A connection between the two members of a pair: who is there, and which way changes
go.
"""

from __future__ import annotations

from typing import Protocol

from attrs import define, field, frozen
from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.companion import Companion
from sipcluster.ha.ireplica import ILinkTaker, ILinkTransport, ILinkUser
from sipcluster.ha.journal import Journal
from sipcluster.ha.receiving import ReceiverCore, receiver
from sipcluster.ha.sending import SenderCore, sender
from sipcluster.ha.wire import (
    KIND_LIMIT,
    LAST_POSITION,
    LIMIT,
    OLDEST,
    SILENT,
    STALE_EPOCH,
    STRANGER,
    VERSION,
    Ack,
    Ask,
    BadMessage,
    Begin,
    Changes,
    Check,
    Complete,
    Hello,
    Message,
    Poll,
    PollAnswer,
    Promise,
    Refusal,
    Refuse,
    Role,
    State,
    Want,
    agreed,
    decode,
    encode,
)
from sipcluster.sip.machine import indexed
from sipcluster.wire.frames import FrameError, FrameReader
from sipcluster.wire.keepalive import KeepAlive

log = Logger()


@frozen
class Identity:
    """
    Who this member is, and whom it expects.

    @ivar member: its own name.
    @ivar other: the other member's name.
    @ivar program: name and version, for people.
    @ivar version: the highest version of the link that it speaks.
    @ivar oldest: the lowest.
    """

    cluster: str
    pair: str
    member: str
    other: str
    program: str = "sipcluster"
    version: int = VERSION
    oldest: int = OLDEST


class Connection(Protocol):
    """
    What may happen to a connection.
    """

    def hello(self, hello: Hello) -> None:
        "The other side says who it is."

    def welcome(self) -> None:
        "It is who it should be."

    def message(self, message: Message) -> None:
        "Another message came."

    def refused(self, refuse: Refuse) -> None:
        "The other side wants no more of it."

    def late(self) -> None:
        "The other side has not said who it is in time."

    def silent(self) -> None:
        "Nothing comes any more."

    def cut(self, code: Refusal, why: str) -> None:
        "We want no more of it."

    def roleChanged(self) -> None:
        "We are something else."

    def lost(self, why: str) -> None:
        "It has ended."


@implementer(ILinkUser)
@define(eq=False)
class Link:
    """
    One connection.

    @ivar name: the other side, for people.
    @ivar version: that is spoken; 0: not agreed yet.
    """

    journal: Journal
    identity: Identity
    transport: ILinkTransport
    companion: Companion
    machine: Connection = field(init=False)
    sender: SenderCore = field(init=False)
    receiver: ReceiverCore = field(init=False)
    keepAlive: KeepAlive = field(init=False)
    version: int = 0
    name: str = ""
    _reader: FrameReader = field(init=False)
    _timer: IDelayedCall | None = None
    _over: bool = False
    #: Epoch of the primary whose stream was asked for.
    _asked: int = 0

    def start(self) -> None:
        """
        Say who we are.
        """
        journal, me = self.journal, self.identity
        self.name = f"{self.transport.peer}"
        self.sender = sender(journal, self.write)
        self.receiver = receiver(journal, self.write, self.cut)
        self._reader = FrameReader(LIMIT)
        self.keepAlive = KeepAlive(
            journal.clock,
            journal.limits.keepAlive,
            lambda: self.send(Poll()),
            lambda: self.machine.silent(),
        )
        self._timer = journal.clock.callLater(journal.limits.startUp, self._late)
        self.send(
            Hello(me.version, me.oldest, me.cluster, me.pair, me.member, me.program)
        )

    # What comes.

    def dataReceived(self, data: bytes) -> None:
        """
        See L{ILinkUser}.
        """
        self.keepAlive.heard()
        self._reader.receive(data)
        try:
            while not self._over:
                payload = self._reader.nextFrame()
                if payload is None:
                    break
                self._received(decode(payload))
            if not self._over:
                self.receiver.acknowledge()
        except (FrameError, BadMessage) as e:
            self.machine.cut(Refusal.MALFORMED, str(e))

    def _received(self, message: Message) -> None:
        if isinstance(message, Changes):
            # Most of what comes; a check of it is the stream's.
            self._checkOrder(message)
        if isinstance(message, Poll):
            self.send(PollAnswer())
        elif isinstance(message, PollAnswer):
            pass
        elif isinstance(message, Hello):
            self.machine.hello(message)
        elif isinstance(message, Refuse):
            self.machine.refused(message)
        else:
            self.machine.message(message)

    def _checkOrder(self, changes: Changes) -> None:
        position = changes.after
        for one in changes.entries:
            if not 0 < len(one.kind) <= KIND_LIMIT or "\0" in one.kind:
                raise BadMessage(f"no name of a kind: {one.kind[:80]!r}")
            if one.position <= position:
                raise BadMessage(f"position {one.position} after {position}")
            position = one.position
        if changes.upTo < position:
            raise BadMessage(f"position {position} behind {changes.upTo}")
        if changes.upTo > LAST_POSITION:
            raise BadMessage(f"position {changes.upTo}: none is left after it")

    def connectionLost(self, why: str) -> None:
        """
        See L{ILinkUser}.
        """
        self.machine.lost(why)

    def _late(self) -> None:
        self._timer = None
        self.machine.late()

    # What the journal says.

    def changed(self) -> None:
        """
        An entry was changed.
        """
        self.sender.changed()

    def roleChanged(self) -> None:
        """
        This member is something else.
        """
        self.machine.roleChanged()

    def cut(self, code: Refusal, why: str) -> None:
        """
        No more of it is wanted.
        """
        self.machine.cut(code, why)

    # What the machine does.

    def write(self, data: bytes) -> None:
        """
        Send bytes, while there is a connection.
        """
        if not self._over:
            self.transport.write(data)

    def send(self, message: Message) -> None:
        """
        Send a message.
        """
        self.write(encode(message))

    def examine(self, hello: Hello) -> tuple[Refusal, str] | None:
        """
        What is wrong with who is there; L{None}: nothing.
        """
        me = self.identity
        for code, mine, theirs in (
            (Refusal.CLUSTER, me.cluster, hello.cluster),
            (Refusal.PAIR, me.pair, hello.pair),
            (Refusal.MEMBER, me.other, hello.member),
        ):
            if mine != theirs:
                return code, f"{code.name.lower()} {theirs[:80]!r}, want {mine!r}"
        version = agreed(hello, me.version, me.oldest)
        if isinstance(version, Refusal):
            return version, (
                f"speaks {hello.oldest} to {hello.version}, "
                f"we speak {me.oldest} to {me.version}"
            )
        self.version = version
        return None

    def begin(self) -> None:
        """
        The other side is who it should be.
        """
        self._stopTimer()
        self.keepAlive.start()
        self.name = f"{self.identity.other} at {self.transport.peer}"
        self.journal.attach(self)
        self.companion.linked(self.send)
        self.companion.changed()

    def stateReceived(self, state: State) -> None:
        """
        The other side says what it is.
        """
        journal = self.journal
        other = state.role == Role.PRIMARY
        if journal.primary and other and state.epoch == journal.epoch:
            self.machine.cut(
                Refusal.TWO_PRIMARIES, f"both are primary in epoch {state.epoch}"
            )
        elif journal.heard(state.epoch) and other:
            # It learns so from our State, and goes on as backup.
            why = f"says that it is primary in epoch {state.epoch}, which is over"
            self.count("staleEpochs", STALE_EPOCH, why)
        elif not other:
            self._asked = 0
            self.receiver.machine.ended()
        elif self._asked != state.epoch:
            self._asked = state.epoch
            self.receiver.ask(state.epoch)
        self.companion.heard(state)

    def messageReceived(self, message: Message) -> None:
        """
        Something else came.
        """
        journal = self.journal
        if isinstance(message, State | Ask) and not self.companion.believes(
            message.epoch
        ):
            why = f"epoch {message.epoch} cannot be, {journal.epoch} is here"
            self.machine.cut(Refusal.MALFORMED, why)
        elif isinstance(message, State):
            self.stateReceived(message)
        elif isinstance(message, Want):
            if journal.primary and message.epoch == journal.epoch:
                self.sender.machine.wanted(message)
        elif isinstance(message, Ack):
            if journal.primary and not self.sender.acknowledgement(message):
                self.machine.cut(
                    Refusal.MALFORMED, f"acknowledges {message.position}: never sent"
                )
        elif isinstance(message, Begin | Changes | Complete | Check):
            if isinstance(message, Begin) and message.epoch < journal.epoch:
                journal.counts["staleStreams"] += 1
            else:
                self.receiver.received(message)
                if isinstance(message, Complete):
                    self.companion.changed()
        elif isinstance(message, Ask):
            self.companion.asked(message)
        elif isinstance(message, Promise):
            self.companion.promised(message)
        else:
            journal.counts["unknownMessages"] += 1

    def end(self) -> None:
        """
        Nothing comes and nothing goes any more.
        """
        self._over = True
        self._stopTimer()
        self.keepAlive.stop()
        self.sender.machine.ended()
        self.receiver.machine.ended()
        self.journal.detach(self)
        self.companion.unlinked(self.send)

    def refuse(self, code: Refusal, why: str) -> None:
        """
        Say that we want no more of it, and why, and end it.
        """
        self.count(code.name.lower(), code.number, why)
        self.send(Refuse(code, why[:200]))
        self.end()
        self.transport.close()

    def count(self, what: str, number: str, why: str) -> None:
        """
        Count a fault of the other side, and write it down.
        """
        self.journal.counts[what] += 1
        log.warn("{number}: {member}: {why}", number=number, member=self.name, why=why)

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def _build() -> TypeMachine[Connection, Link]:
    m = TypeMachineBuilder(Connection, Link)
    opened = m.state("Opened")
    working = m.state("Working")
    over = m.state("Over")

    @opened.upon(Connection.hello).loop()
    def examine(connection: Connection, link: Link, hello: Hello) -> None:
        wrong = link.examine(hello)
        if wrong is None:
            connection.welcome()
        else:
            connection.cut(*wrong)

    @opened.upon(Connection.welcome).to(working)
    def begin(connection: Connection, link: Link) -> None:
        link.begin()

    @opened.upon(Connection.message).to(over)
    def tooEarly(connection: Connection, link: Link, message: Message) -> None:
        link.refuse(Refusal.OUT_OF_ORDER, "the first message is not Hello")

    @working.upon(Connection.hello).to(over)
    def again(connection: Connection, link: Link, hello: Hello) -> None:
        link.refuse(Refusal.OUT_OF_ORDER, "a second Hello")

    @working.upon(Connection.message).loop()
    def take(connection: Connection, link: Link, message: Message) -> None:
        link.messageReceived(message)

    @opened.upon(Connection.refused).to(over)
    @working.upon(Connection.refused).to(over)
    def goAway(connection: Connection, link: Link, refuse: Refuse) -> None:
        why = f"refuses the link, {refuse.code}: {refuse.text[:200]}"
        link.count("refusedByPeer", f"00-53{200 + refuse.code}", why)
        link.end()
        link.transport.close()

    @opened.upon(Connection.late).to(over)
    def late(connection: Connection, link: Link) -> None:
        link.refuse(Refusal.LATE, "no Hello in time")

    @working.upon(Connection.silent).to(over)
    def dead(connection: Connection, link: Link) -> None:
        link.count("silent", SILENT, "gives no sign of life")
        link.end()
        link.transport.abort()

    @opened.upon(Connection.cut).to(over)
    @working.upon(Connection.cut).to(over)
    def cut(connection: Connection, link: Link, code: Refusal, why: str) -> None:
        link.refuse(code, why)

    @working.upon(Connection.roleChanged).loop()
    def say(connection: Connection, link: Link) -> None:
        # What else may have begun already by what the other side said.
        if link.journal.primary:
            link.receiver.machine.ended()
        else:
            link.sender.machine.ended()
        link.companion.changed()

    @opened.upon(Connection.lost).to(over)
    @working.upon(Connection.lost).to(over)
    def lose(connection: Connection, link: Link, why: str) -> None:
        log.info("link to {member} lost: {why}", member=link.name, why=why)
        link.end()

    opened.upon(Connection.roleChanged).loop().returns(None)
    opened.upon(Connection.silent).loop().returns(None)
    working.upon(Connection.welcome).loop().returns(None)
    working.upon(Connection.late).loop().returns(None)
    for happens in (
        *(Connection.hello, Connection.welcome, Connection.message, Connection.late),
        *(Connection.refused, Connection.silent, Connection.cut, Connection.lost),
        Connection.roleChanged,
    ):
        over.upon(happens).loop().returns(None)
    return m.build()


_machine = indexed(_build())


@implementer(ILinkTaker)
class Links:
    """
    Takes the connections of one member, one after the other.
    """

    def __init__(
        self, journal: Journal, identity: Identity, companion: Companion | None = None
    ) -> None:
        """
        @param companion: asked what to say of this member, and told what the other
            says; left out, nothing decides the role here.
        """
        self._journal = journal
        self._identity = identity
        if companion is None:
            companion = Companion(identity.other)
            companion.follow(journal)
        self._companion = companion

    def connectionMade(self, transport: ILinkTransport) -> ILinkUser:
        """
        See L{ILinkTaker}.
        """
        made = Link(self._journal, self._identity, transport, self._companion)
        made.machine = _machine(made)
        made.start()
        return made

    def strangerRefused(self, peer: str, why: str) -> None:
        """
        See L{ILinkTaker}.
        """
        self._journal.counts["strangers"] += 1
        log.error("{number}: {peer}: {why}", number=STRANGER, peer=peer, why=why)
