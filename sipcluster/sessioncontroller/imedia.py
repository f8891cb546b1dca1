"""
The seam of those who have media: what a far end is to hear from a media server, and
who knows such servers.

A media server is a SIP user agent.  What it is to do stands in the Request-URI of the
INVITE (RFC 4240) and, for dialogs, in the MSML of INFO requests (RFC 5707); so the
leg to it is a leg like any other, in which nobody is a party.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

from attrs import frozen
from zope.interface import Interface, implementer

__all__ = (
    "IMediaService",
    "MediaKind",
    "MediaRequest",
    "MediaResult",
    "MediaServer",
    "NoMedia",
    "Talk",
)


class MediaKind(enum.Enum):
    """
    What a media server does.

    C{ANNOUNCEMENT}: plays, and hangs up at the end (RFC 4240 section 3).
    C{CONFERENCE}: mixes (section 5).  C{DIALOG}: plays, collects digits, records, as
    MSML says.  C{APPLICATION}: runs a VoiceXML document (section 4).
    """

    ANNOUNCEMENT = "annc"
    CONFERENCE = "conf"
    DIALOG = "msml"
    APPLICATION = "dialog"


class Talk(enum.Enum):
    """
    Who hears a member of a conference.

    C{COACH}: one other member only.
    """

    ALL = "all"
    NOBODY = "nobody"
    COACH = "coach"


@frozen
class MediaRequest:
    """
    What a far end is to have of a media server.

    @ivar name: of a conference, its id, the same for all members; else a name for
        logs, as C{music}.
    @ivar play: URIs of what is played, in order, as the configuration or the asking
        program has them: C{file:}, C{http:}, or C{tone:ringback}, C{tone:busy},
        C{tone:fastbusy}, C{silence:}.
    @ivar repeat: how often that is played; 0: without end.
    @ivar digits: digits that are waited for at most; 0: none.
    @ivar firstDigit: seconds that the first one may take.
    @ivar nextDigit: seconds that each other one may take.
    @ivar ending: digits that end the collection, and are no part of it.
    @ivar bargeIn: a digit ends what is played.
    @ivar record: the name under which what the far end says is kept; C{""}: it is
        not.
    @ivar longest: seconds of that at most.
    @ivar application: URI of a VoiceXML document.
    @ivar member: a conference member's own name.
    @ivar talk: who hears it.
    @ivar coached: the name of the member who hears it with C{Talk.COACH}.
    @ivar deaf: it hears nobody.
    @ivar early: a caller that was not answered hears it all the same (early media);
        else it is answered first.
    @ivar detect: whether an answering machine or a fax answers is to be told.
    """

    kind: MediaKind
    name: str = ""
    play: tuple[str, ...] = ()
    repeat: int = 1
    digits: int = 0
    firstDigit: float = 10.0
    nextDigit: float = 5.0
    ending: str = ""
    bargeIn: bool = True
    record: str = ""
    longest: float = 60.0
    application: str = ""
    member: str = ""
    talk: Talk = Talk.ALL
    coached: str = ""
    deaf: bool = False
    early: bool = False
    detect: bool = False


@frozen
class MediaResult:
    """
    What a media server says of what it was asked.

    @ivar digits: what was collected.
    @ivar reason: C{"done"}, C{"digits"}, C{"noinput"}, C{"recorded"}, C{"fax"},
        C{"machine"}, C{"human"}, C{"failed"}.
    @ivar recording: where what was recorded is.
    @ivar last: nothing more comes.
    """

    reason: str
    digits: str = ""
    recording: str = ""
    last: bool = True


@frozen
class MediaServer:
    """
    One media server.

    @ivar name: the number of its VoIP Service DN.
    @ivar contact: the URI at which it is.
    """

    name: str
    contact: bytes
    location: str = ""


class IMediaService(Interface):
    """
    Knows the media servers.
    """

    def choose(
        request: MediaRequest,
        location: str = "",
        besides: Collection[str] = (),
        present: str = "",
    ) -> MediaServer | None:
        """
        Find a server for something.  All members of one conference get the same one
        while it is in service.

        @param location: where the caller is, whose neighbourhood comes first.
        @param besides: names of those that have failed.
        @param present: name of the one at which others of the conference are; C{""}:
            there are none.

        @return: L{None}: there is none, or none any more.
        """

    def uri(request: MediaRequest, server: MediaServer) -> bytes:
        """
        The Request-URI with which a server is invited.
        """

    def start(
        request: MediaRequest, server: str = "", tag: bytes = b""
    ) -> tuple[bytes, bytes] | None:
        """
        What it is told by INFO as soon as it has answered, or when what it has to do
        has changed since.

        @param server: the server's name.
        @param tag: the server's in the dialog: what it knows the leg by.

        @return: Content-Type and body; L{None}: the Request-URI says all.
        """

    def result(method: bytes, contentType: bytes, body: bytes) -> MediaResult | None:
        """
        What a server says by an INFO, or by the BYE that ends its leg.

        @return: L{None}: nothing that counts.
        """

    def failed(server: MediaServer) -> None:
        """
        A server did not answer, or refused.
        """


@implementer(IMediaService)
class NoMedia:
    """
    There are no media servers.
    """

    def choose(
        self,
        request: MediaRequest,
        location: str = "",
        besides: Collection[str] = (),
        present: str = "",
    ) -> MediaServer | None:
        """
        See L{IMediaService}.
        """
        return None

    def uri(self, request: MediaRequest, server: MediaServer) -> bytes:
        """
        See L{IMediaService}.
        """
        return server.contact

    def start(
        self, request: MediaRequest, server: str = "", tag: bytes = b""
    ) -> tuple[bytes, bytes] | None:
        """
        See L{IMediaService}.
        """
        return None

    def result(
        self, method: bytes, contentType: bytes, body: bytes
    ) -> MediaResult | None:
        """
        See L{IMediaService}.
        """
        return None

    def failed(self, server: MediaServer) -> None:
        """
        See L{IMediaService}.
        """
