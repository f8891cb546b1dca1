"""
Message waiting for telephones that have not subscribed: a NOTIFY outside of a dialog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.attempt import Attempt
from sipcluster.sessioncontroller.isessioncontroller import ProxyAddress
from sipcluster.sip.grammar import escapeUser
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.dialplan import Directory
    from sipcluster.sessioncontroller.useragent import UserAgent

EVENT = b"message-summary"
CONTENT_TYPE = b"application/simple-message-summary"


class UnaskedNotices:
    """
    Tells telephones, one NOTIFY at a time to each, so that the last one is true.
    """

    def __init__(
        self,
        ua: UserAgent,
        directory: Directory,
        wanted: Callable[[str], bool],
        body: Callable[[str], bytes],
        touch: Callable[[str], object],
    ) -> None:
        """
        @param wanted: whether the telephone of a DN is to be told so.
        @param body: makes what a NOTIFY says.
        @param touch: told of each DN whose telephone begins or ceases to be told.
        """
        self._ua = ua
        self._directory = directory
        self._wanted = wanted
        self._body = body
        self._touch = touch
        # Whether another one is to follow.
        self._telling: dict[str, bool] = {}

    def dns(self) -> Iterable[str]:
        """
        Those whose telephones are being told.
        """
        return list(self._telling)

    def isTelling(self, dn: str) -> bool:
        """
        Whether a telephone is being told.
        """
        return dn in self._telling

    def tell(self, dn: str) -> None:
        """
        Tell a telephone, if it wants that.
        """
        device = self._directory.extension(dn)
        if device is None or not self._wanted(dn):
            return
        if dn in self._telling:
            self._telling[dn] = True
            return
        self._telling[dn] = False
        self._touch(dn)
        aor = b"sip:%b@%b" % (escapeUser(dn.encode()), self._ua.domain)
        identifiers = self._ua.identifiers
        callID, tag = identifiers.callID(), identifiers.tag()
        body = self._body(dn)

        def make(proxy: ProxyAddress) -> Request:
            headers = Headers.of(
                (b"Route", b"<%b>" % proxy.uri),
                (b"Max-Forwards", b"70"),
                (b"From", b"<%b>;tag=%b" % (aor, tag)),
                (b"To", b"<%b>" % aor),
                (b"Call-ID", callID),
                (b"CSeq", b"1 NOTIFY"),
                (b"Contact", b"<sip:%b@%b>" % (tag, self._ua.contactHost)),
                (b"Event", EVENT),
                # There is no subscription that could live on.
                (b"Subscription-State", b"terminated;reason=noresource"),
                (b"Content-Type", CONTENT_TYPE),
                (b"Content-Length", b"%d" % len(body)),
            )
            return Request(b"NOTIFY", device.contact or aor, headers, body)

        def received(response: Response, request: Request) -> None:
            if response.status >= 200:
                if response.status >= 300:
                    self._ua.count("notifiesFailed")
                self._told(dn)

        def lost(status: int, why: str) -> None:
            self._ua.count("notifiesFailed")
            self._told(dn)

        Attempt(self._ua, make, received, lost).start()

    def _told(self, dn: str) -> None:
        again = self._telling.pop(dn, False)
        self._touch(dn)
        if again:
            self.tell(dn)
