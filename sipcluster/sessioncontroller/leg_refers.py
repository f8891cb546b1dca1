"""
The part of a leg whose far end wants the other one to be connected to somebody else:
REFER, and the NOTIFYs that say what becomes of it (RFC 3515).

What is to be told is always how far it is now: one NOTIFY is under way at a time, and
what happens meanwhile is told by the next one.  The last one is of the dialog of the
call, too, so that a BYE of ours waits until it has arrived.
"""

from __future__ import annotations

from attrs import define
from twisted.logger import Logger

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.events import Fields
from sipcluster.sessioncontroller.in_dialog import firstProxy, routed
from sipcluster.sessioncontroller.leg_changes import Changes
from sipcluster.sessioncontroller.refers import ReferAsked, readRefer
from sipcluster.sessioncontroller.values import ReferralValue
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.status import reasonPhrase
from sipcluster.sip.timers import Timer

log = Logger()

#: What NOTIFYs say is a part of a response.
SIPFRAG = b"message/sipfrag;version=2.0"

#: Seconds that the subscription lives, as NOTIFYs say; a call is not tried for longer.
_EXPIRES = 300

#: Seconds that a BYE waits for the answer to the last NOTIFY.
BYE_WAITS = 2.0


@define(eq=False)
class Referral:
    """
    What a far end has asked for by REFER, and what it is told of it.

    @ivar number: the CSeq number of the REFER.
    @ivar transaction: that is to be answered; L{None}: it was.
    @ivar silent: the far end does not want to know, or takes no NOTIFY.
    @ivar status: how far it is.
    @ivar last: there will be nothing more to tell.
    @ivar told: status and C{last} of the last NOTIFY; L{None}: there was none.
    @ivar notifying: the NOTIFY under way.
    @ivar dialog: in which they are sent; L{None}: that of the leg.
    @ivar timer: until our BYE waits no longer; L{None}: there is none that waits.
    """

    number: int
    transaction: ServerTransaction | None = None
    silent: bool = False
    status: int = 100
    last: bool = False
    told: tuple[int, bool] | None = None
    notifying: Attempt | None = None
    dialog: Dialog | None = None
    timer: Timer | None = None

    def value(self) -> ReferralValue:
        """
        Write it down.
        """
        return ReferralValue(
            self.number, self.status, self.silent, self.last, self.dialog
        )


class Refers(Changes):
    """
    What a leg does about REFER.
    """

    __slots__ = ()

    def takeRefer(self, transaction: ServerTransaction) -> None:
        """
        A REFER came.
        """
        self.referTaken(transaction, None)

    def referTaken(self, transaction: ServerTransaction, dialog: Dialog | None) -> None:
        """
        A REFER came.

        @param dialog: that it makes, if it came outside of ours.
        """
        if self.referral is not None and not self.referral.last:
            self.ua.count("glare")
            self.respond(transaction, 491)
            return
        try:
            refer = readRefer(transaction.request)
        except MalformedMessage as e:
            log.warn("malformed REFER: {why}", why=e)
            self.ua.count("malformed")
            self.respond(transaction, e.status)
            return
        number = transaction.request.cseq.number
        self._forgetReferral()
        self.referral = Referral(number, transaction, refer.silent, dialog=dialog)
        self.emit(ReferAsked(self.party.view, self.ua.wallTime(), refer=refer))
        self.refuseRefer(603)  # unless somebody has said something

    def acceptRefer(self) -> None:
        """
        The far end may have what it asks for: it is seen to.
        """
        referral = self.referral
        transaction = None if referral is None else referral.transaction
        if referral is None or transaction is None:
            return
        referral.transaction = None
        fields: Fields = ((b"Contact", self.contact),)
        if referral.silent:
            fields = (*fields, (b"Refer-Sub", b"false"))
        self._answerRefer(referral, transaction, 202, fields)

    def refuseRefer(self, status: int) -> None:
        """
        It may not.
        """
        referral = self.referral
        if referral is not None and referral.transaction is not None:
            transaction, self.referral = referral.transaction, None
            self._answerRefer(referral, transaction, status)

    def _answerRefer(
        self,
        referral: Referral,
        transaction: ServerTransaction,
        status: int,
        fields: Fields = (),
    ) -> None:
        if referral.dialog is None:
            self.respond(transaction, status, b"", fields)
        else:
            tag = referral.dialog.localTag
            fields = ((b"Session-ID", self.sessionID()), *fields)
            transaction.respond(
                makeResponse(transaction.request, status, b"", tag, fields)
            )

    def expectRefer(self, status: int) -> None:
        """
        This is what the far end is to be told when it is hung up on.
        """
        if self.referral is not None:
            self.referral.status = status

    def tellRefer(self, status: int, last: bool = False) -> None:
        """
        Tell the far end how far it is.

        @param last: nobody will know more.
        """
        referral = self.referral
        if referral is None or referral.last:
            return
        referral.status = status
        referral.last = last or status >= 200
        if referral.silent:
            if referral.last:
                self.referral = None
        elif referral.notifying is None:
            self._notify(referral)

    def _notify(self, referral: Referral) -> None:
        status = referral.status
        referral.told = status, referral.last
        state = b"active;expires=%d" % _EXPIRES
        if referral.last:
            state = b"terminated;reason=noresource"
        fields: Fields = (
            (b"Contact", self.contact),
            (b"Event", b"refer;id=%d" % referral.number),
            (b"Subscription-State", state),
            (b"Session-ID", self.sessionID()),
        )
        body = b"SIP/2.0 %d %b\r\n" % (status, reasonPhrase(status))
        dialog, usual = referral.dialog, self.proxy
        if dialog is None:
            request = self.request(b"NOTIFY", fields, body, SIPFRAG)
        else:
            dialog, request = dialog.makeRequest(b"NOTIFY", fields, body, SIPFRAG)
            referral.dialog = dialog
            usual = firstProxy(self.ua, dialog) or usual
        notifying = referral.notifying = Attempt(
            self.ua,
            lambda proxy: routed(request, proxy, usual),
            self._notified,
            self._notNotified,
        )
        notifying.start(usual)

    def _notified(self, response: Response, request: Request) -> None:
        if response.status < 200:
            return
        if response.status >= 300:
            self._notNotified(response.status, f"it answers {response.status}")
            return
        referral = self.referral
        if referral is None:
            return
        referral.notifying = None
        if referral.told != (referral.status, referral.last):
            self._notify(referral)
        elif referral.last:
            self._referralOver(referral)

    def _notNotified(self, status: int, why: str) -> None:
        """
        The far end takes no NOTIFY: it is sent no more of them (RFC 5057).
        """
        referral = self.referral
        if referral is None:
            return
        log.info("{dn} takes no NOTIFY: {why}", dn=self.party.view.thisDN, why=why)
        self.ua.count("notifiesFailed")
        referral.notifying = None
        referral.silent = True
        if referral.last:
            self._referralOver(referral)

    def _referralOver(self, referral: Referral) -> None:
        """
        The far end knows all.
        """
        waits = referral.timer is not None
        self._forgetReferral()
        if waits:
            super().sendBye(self.reason)

    def _forgetReferral(self) -> None:
        referral, self.referral = self.referral, None
        if referral is not None:
            if referral.timer is not None:
                referral.timer.cancel()
            if referral.notifying is not None:
                referral.notifying.abandon()

    # The end of the call

    def sendBye(self, reason: bytes) -> None:
        """
        End the dialog, as soon as the last NOTIFY has arrived in it.
        """
        referral = self.referral
        if referral is not None and not referral.last:
            self.tellRefer(referral.status, True)
        if (
            referral is None
            or referral.notifying is None
            or referral.dialog is not None
            or referral.timer is not None
        ):
            super().sendBye(reason)
            return
        self.reason = reason
        referral.timer = self.ua.timers.after(BYE_WAITS, self._waitsNoLonger)

    def _waitsNoLonger(self) -> None:
        self._forgetReferral()
        super().sendBye(self.reason)

    def acceptBye(self, transaction: ServerTransaction) -> bytes:
        """
        Answer a BYE; ours need not be sent any more.
        """
        referral = self.referral
        if referral is not None and referral.timer is not None:
            self._forgetReferral()
            self.machine.byeFinished()
        return super().acceptBye(transaction)

    def finish(self) -> None:
        """
        The leg is over: let go of everything that points back here.
        """
        referral = self.referral
        if referral is not None:
            self.refuseRefer(480)
            if not referral.last and not referral.silent:
                # Nobody will be here who could tell.
                if referral.notifying is not None:
                    referral.notifying.abandon()
                referral.last = True
                self._notify(referral)
            self._forgetReferral()
        super().finish()

    # Going on

    def restoreReferral(self, value: ReferralValue) -> None:
        """
        Take over what was asked.
        """
        self.referral = Referral(
            value.number,
            None,
            value.silent,
            value.status,
            value.last,
            dialog=value.dialog,
        )

    def goOn(self) -> None:
        """
        Tell the far end once more how far it is: it may not have heard that.
        """
        referral = self.referral
        if referral is not None:
            if referral.silent:
                if referral.last:
                    self.referral = None
            else:
                self._notify(referral)
        super().goOn()
