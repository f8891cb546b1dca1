"""
What MSML says: what a media server is asked to do, what it answers, and what it tells
afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

__all__ = (
    "CONTENT_TYPE",
    "DIALOG_EXIT",
    "Action",
    "Collect",
    "CreateConference",
    "DestroyConference",
    "DialogEnd",
    "DialogStart",
    "Event",
    "Play",
    "Record",
    "Result",
    "Script",
    "Stream",
    "Unjoin",
    "connection",
)

#: The Content-Type of all of it (RFC 5707 section 16.1).
CONTENT_TYPE = b"application/msml+xml"

#: The event with which a dialog ends (section 9.3.1).
DIALOG_EXIT = "msml.dialog.exit"


def connection(tag: bytes) -> str:
    """
    The identifier of a connection.

    @param tag: that of the media server in the dialog.
    """
    return f"conn:{tag.decode('utf-8', 'replace')}"


@frozen
class Play:
    """
    C{play}: what is played (section 9.7.1).

    @ivar repeat: how often; 0: without end.
    @ivar interval: seconds between two times.
    @ivar longest: seconds of all of it at most; 0: no limit.
    @ivar bargeIn: a digit ends it.
    """

    uris: tuple[str, ...]
    repeat: int = 1
    interval: float = 0.0
    longest: float = 0.0
    bargeIn: bool = False


@frozen
class Collect:
    """
    C{dtmf} or C{collect}: digits that are waited for (section 9.7.3).

    @ivar least: how many are enough when one of C{ending} follows.
    @ivar most: how many end it.
    @ivar firstDigit: seconds that the first one may take after what is played.
    @ivar nextDigit: seconds that each other one may take.
    @ivar ending: digits that end it, and are no part of it.
    """

    most: int
    least: int = 1
    firstDigit: float = 10.0
    nextDigit: float = 5.0
    ending: str = ""


@frozen
class Record:
    """
    C{record}: what is heard is written down (section 9.7.4).

    @ivar destination: a URI; C{""}: the media server finds a name.
    @ivar longest: seconds of it at most.
    @ivar silence: seconds of silence that end it; 0: none do.
    @ivar preSpeech: seconds that somebody may take to begin; 0: for ever.
    @ivar ending: digits that end it.
    """

    destination: str = ""
    longest: float = 60.0
    silence: float = 0.0
    preSpeech: float = 0.0
    ending: str = ""
    beep: bool = False


@frozen
class DialogStart:
    """
    C{dialogstart} (section 9.2).

    @ivar target: a connection or a conference.
    @ivar name: of the dialog; C{""}: the media server finds one.
    @ivar detect: it is to be told who has answered: people, a machine or a fax.
    """

    target: str
    name: str = ""
    play: Play | None = None
    collect: Collect | None = None
    record: Record | None = None
    detect: bool = False


@frozen
class DialogEnd:
    """
    C{dialogend} (section 9.3).
    """

    id: str


@frozen
class CreateConference:
    """
    C{createconference} (section 7.1).
    """

    name: str = ""


@frozen
class DestroyConference:
    """
    C{destroyconference} (section 7.3).
    """

    id: str


@frozen
class Stream:
    """
    C{join} or C{modifystream} (sections 7.4 and 7.5): how one object is connected
    with another one.

    @ivar one: a connection.
    @ivar other: a conference.
    @ivar isJoin: they were not connected before.
    @ivar hears: what the second one says goes to the first one.
    @ivar heard: what the first one says goes to the second one.
    @ivar member: our extension: the name of the member that the first one is.
    @ivar coached: our extension: the name of the one member that hears it.
    """

    one: str
    other: str
    isJoin: bool = False
    hears: bool = True
    heard: bool = True
    member: str = ""
    coached: str = ""


@frozen
class Unjoin:
    """
    C{unjoin} (section 7.6).
    """

    one: str
    other: str


Action = (
    DialogStart | DialogEnd | CreateConference | DestroyConference | Stream | Unjoin
)


@frozen
class Script:
    """
    What is to be done, one after the other; with the first thing that fails it ends.

    @ivar mark: given back when it fails.
    """

    actions: tuple[Action, ...]
    mark: str = ""


@frozen
class Event:
    """
    C{event} (section 5.2): what a media server tells.

    @ivar id: of what tells it.
    """

    name: str
    id: str
    values: Mapping[str, str] = MappingProxyType({})


@frozen
class Result:
    """
    C{result} (section 5.1).

    @ivar response: 200: all is done.
    @ivar ids: of dialogs and conferences that were made.
    """

    response: int
    description: str = ""
    dialogs: tuple[str, ...] = ()
    conferences: tuple[str, ...] = ()
