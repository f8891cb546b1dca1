"""
Offers and answers in one dialog (RFC 3264): which body is which, and when there
may be another offer (RFC 3261 section 13.2.1, 3262 section 5, 3311 section 5,
6337).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from attrs import define, field, frozen
from automat import TypeMachine, TypeMachineBuilder

from sipcluster.sip.machine import indexed, stateName


class Meaning(Enum):
    """
    What the session description of a message is.

    @cvar NOTHING: there is none, and there need be none.
    @cvar OFFER: to be answered.
    @cvar ANSWER: the answer to the last offer; the exchange is done.
    @cvar EARLY_ANSWER: the answer in a 1xx that may get lost: to be used, but it
        comes again in the 2xx.
    @cvar REPEATED: the answer once more, or a copy of the offer: to be ignored.
    @cvar MISPLACED: a description where there may be none: to be ignored.
    @cvar MISSING: there should be an answer, or an offer, and there is none: the
        session is to be ended, when the message is a 2xx or its ACK.
    """

    NOTHING = "nothing"
    OFFER = "offer"
    ANSWER = "answer"
    EARLY_ANSWER = "early answer"
    REPEATED = "repeated"
    MISPLACED = "misplaced"
    MISSING = "missing"


@frozen
class Refusal:
    """
    A request that is to be answered with a failure.

    @ivar status: 491 when offers have crossed; 500 when the sender does not wait
        for its answer.
    @ivar retryAfter: whether a Retry-After of 0 to 10 seconds, chosen by chance,
        belongs to it.
    """

    status: int
    retryAfter: bool = False


CROSSED = Refusal(491)
IMPATIENT = Refusal(500, retryAfter=True)

Verdict = Meaning | Refusal


class Exchange(Protocol):
    """
    What may happen to the session description of a dialog.
    """

    def weOffer(self) -> Verdict:
        "We send an offer."

    def theyOffer(self) -> Verdict:
        "An offer arrives."

    def weAnswer(self) -> Verdict:
        "We send an answer."

    def theyAnswer(self) -> Verdict:
        "An answer arrives."

    def void(self) -> Verdict:
        "The request of the offer failed, or the answer is missing."


class _Nothing:
    """
    The state says it all.
    """


def _build() -> TypeMachine[Exchange, _Nothing]:
    m = TypeMachineBuilder(Exchange, _Nothing)
    stable = m.state("Stable")
    ours = m.state("Our offer")
    theirs = m.state("Their offer")

    stable.upon(Exchange.weOffer).to(ours).returns(Meaning.OFFER)
    stable.upon(Exchange.theyOffer).to(theirs).returns(Meaning.OFFER)
    stable.upon(Exchange.weAnswer).loop().returns(Meaning.REPEATED)
    stable.upon(Exchange.theyAnswer).loop().returns(Meaning.REPEATED)
    stable.upon(Exchange.void).loop().returns(Meaning.NOTHING)

    ours.upon(Exchange.theyAnswer).to(stable).returns(Meaning.ANSWER)
    ours.upon(Exchange.weAnswer).loop().returns(Meaning.MISPLACED)
    ours.upon(Exchange.theyOffer).loop().returns(CROSSED)
    ours.upon(Exchange.weOffer).loop().returns(IMPATIENT)
    ours.upon(Exchange.void).to(stable).returns(Meaning.NOTHING)

    theirs.upon(Exchange.weAnswer).to(stable).returns(Meaning.ANSWER)
    theirs.upon(Exchange.theyAnswer).loop().returns(Meaning.MISPLACED)
    theirs.upon(Exchange.weOffer).loop().returns(CROSSED)
    theirs.upon(Exchange.theyOffer).loop().returns(IMPATIENT)
    theirs.upon(Exchange.void).to(stable).returns(Meaning.NOTHING)
    return m.build()


_machine = indexed(
    _build(), frozenset(["weOffer", "theyOffer", "weAnswer", "theyAnswer", "void"])
)
_nothing = _Nothing()


@define(eq=False)
class OfferAnswer:
    """
    The bookkeeping of one dialog.

    Each message of the dialog that may carry a session description is shown to
    it, sent ones before they are sent.  It answers what the description is, or
    how a received request is to be refused; nothing has changed then.  For a
    sent message a L{Refusal} says that it must not be sent now.

    @ivar carrier: where the offer that waits was made: a method, C{b"1xx"} or
        C{b"2xx"} of an INVITE; empty when none waits.
    @ivar inviteIsOurs: who sent the INVITE that is under way, or the last one.
    @ivar inviteOffered: whether it carried the offer itself.
    @ivar exchanged: whether an offer was made in it, by either side.
    @ivar previewed: whether an answer came in an unreliable 1xx.
    """

    _exchange: Exchange = field(factory=lambda: _machine(_nothing))
    carrier: bytes = b""
    inviteIsOurs: bool = False
    inviteOffered: bool = False
    exchanged: bool = False
    previewed: bool = False

    @property
    def state(self) -> str:
        """
        C{"Stable"}, C{"Our offer"} or C{"Their offer"}: whose offer waits.
        """
        return stateName(self._exchange)

    @property
    def mayOffer(self) -> bool:
        """
        Whether no offer waits, so that we may send one.
        """
        return self.state == "Stable"

    def forked(self) -> OfferAnswer:
        """
        The bookkeeping of one more dialog that the same INVITE makes: our offer
        waits for an answer there too.
        """
        fork = OfferAnswer(inviteIsOurs=self.inviteIsOurs)
        if self.inviteOffered:
            fork._request(self.inviteIsOurs, b"INVITE", described=True)
        return fork

    def requestSent(self, method: bytes, described: bool) -> Verdict:
        """
        A request of ours.

        @param described: whether it carries a session description.
        """
        return self._request(True, method, described)

    def requestReceived(self, method: bytes, described: bool) -> Verdict:
        """
        A request of the other side.
        """
        return self._request(False, method, described)

    def responseSent(
        self, method: bytes, status: int, described: bool, reliable: bool = False
    ) -> Verdict:
        """
        A response of ours.

        @param reliable: a 1xx that is acknowledged with PRACK (RFC 3262).
        """
        return self._response(True, method, status, described, reliable)

    def responseReceived(
        self, method: bytes, status: int, described: bool, reliable: bool = False
    ) -> Verdict:
        """
        A response of the other side.
        """
        return self._response(False, method, status, described, reliable)

    def _offer(self, ours: bool, carrier: bytes) -> Verdict:
        exchange = self._exchange
        verdict = exchange.weOffer() if ours else exchange.theyOffer()
        if verdict is Meaning.OFFER:
            self.carrier = carrier
        return verdict

    def _answer(self, ours: bool, described: bool) -> Verdict:
        """
        The message in which the answer has to be.
        """
        self.carrier = b""
        if not described:
            self._exchange.void()
            return Meaning.MISSING
        return self._exchange.weAnswer() if ours else self._exchange.theyAnswer()

    def _void(self) -> None:
        self.carrier = b""
        self._exchange.void()

    def _awaited(self, ours: bool, carrier: bytes) -> bool:
        """
        Whether the offer that waits was made there, and this side owes the
        answer.
        """
        owes = "Their offer" if ours else "Our offer"
        return self.carrier == carrier and self.state == owes

    def _request(self, ours: bool, method: bytes, described: bool) -> Verdict:
        if method == b"INVITE":
            if described:
                verdict = self._offer(ours, method)
            elif self.mayOffer:
                verdict = Meaning.NOTHING
            else:
                # It asks for an offer while one waits.
                oursWaits = self.state == "Our offer"
                verdict = IMPATIENT if oursWaits == ours else CROSSED
            if not isinstance(verdict, Refusal):
                self.inviteIsOurs = ours
                self.exchanged = self.inviteOffered = described
                self.previewed = False
            return verdict
        if method == b"ACK" and self._awaited(ours, b"2xx"):
            return self._answer(ours, described)
        if method == b"PRACK" and self._awaited(ours, b"1xx"):
            return self._answer(ours, described)
        if not described:
            return Meaning.NOTHING
        if method in (b"PRACK", b"UPDATE"):
            return self._offer(ours, method)
        return Meaning.MISPLACED

    def _response(
        self, ours: bool, method: bytes, status: int, described: bool, reliable: bool
    ) -> Verdict:
        if method == b"INVITE":
            if self.inviteIsOurs == ours:
                return Meaning.MISPLACED  # nobody answers himself
            return self._inviteResponse(ours, status, described, reliable)
        if self._awaited(ours, method) and status >= 200:
            if status < 300:
                return self._answer(ours, described)
            self._void()
            return Meaning.NOTHING
        return Meaning.MISPLACED if described else Meaning.NOTHING

    def _inviteResponse(
        self, ours: bool, status: int, described: bool, reliable: bool
    ) -> Verdict:
        if status >= 300:
            if self.carrier in (b"INVITE", b"1xx", b"2xx"):
                self._void()
            return Meaning.NOTHING
        success = status >= 200
        if self._awaited(ours, b"INVITE"):
            if success or (reliable and described):
                if self.previewed and not described:
                    # Not as it should be, but the 1xx told what is meant.
                    self._answer(ours, described=True)
                    return Meaning.NOTHING
                return self._answer(ours, described)
            if described:
                self.previewed = True
                return Meaning.EARLY_ANSWER
            return Meaning.NOTHING
        if not self.exchanged and (success or reliable):
            if described:
                verdict = self._offer(ours, b"2xx" if success else b"1xx")
                self.exchanged = verdict is Meaning.OFFER
                return verdict
            return Meaning.MISSING if success else Meaning.NOTHING
        if not described:
            return Meaning.NOTHING
        return Meaning.REPEATED if self.exchanged else Meaning.MISPLACED
