"""
Conferences: everybody hears all the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from sipcluster.media.arithmetic import IArithmetic, Listener, Row
from sipcluster.media.g711 import converted
from sipcluster.media.imedia import Codec, Full, Talk

if TYPE_CHECKING:
    from sipcluster.media.rtp_session import RTPSession

#: Members of one conference.
MOST = 64


@define(eq=False)
class Member:
    """
    One session in a conference.

    @ivar name: its own name in it.
    @ivar talk: who hears it.
    @ivar coached: the name of the one who hears it when it coaches.
    @ivar deaf: it hears nobody.
    @ivar said: what it says in this frame, and how that is written; L{None}: nothing.
    @ivar hears: what it hears in this frame; L{None}: nothing.
    @ivar listening: it would hear something: it plays nothing else.
    """

    session: RTPSession
    conference: Conference
    name: str = ""
    talk: Talk = Talk.ALL
    coached: str = ""
    deaf: bool = False
    said: bytes | None = None
    codec: Codec = Codec.PCMU
    hears: bytes | None = None
    wanted: Codec = Codec.PCMU
    listening: bool = True


class Conference:
    """
    One of them.

    @ivar members: in the order in which they came.
    """

    __slots__ = ("_most", "members", "name")

    def __init__(self, name: str, most: int = MOST) -> None:
        """
        @param most: members that it may have.
        """
        self.name = name
        self.members: list[Member] = []
        self._most = most

    def join(self, session: RTPSession) -> Member:
        """
        Somebody comes.

        @raise Full: there are enough.
        """
        if len(self.members) >= self._most:
            raise Full(f"{self._most} are in conference {self.name}")
        member = Member(session, self)
        self.members.append(member)
        return member

    def leave(self, member: Member) -> None:
        """
        Somebody goes.
        """
        self.members.remove(member)

    def mix(self, arithmetic: IArithmetic) -> None:
        """
        Find what each member hears in this frame.

        Who says nothing costs nothing; where only one is heard, what it has said
        goes on as it is.
        """
        rows: list[Row] = []
        own: dict[Member, int] = {}
        coaches: dict[str, list[int]] = {}
        public = last = 0
        for member in self.members:
            member.hears = None
            if member.said is None or member.talk is Talk.NOBODY:
                continue
            if member.talk is Talk.ALL:
                own[member] = last = len(rows)
                public += 1
            else:
                coaches.setdefault(member.coached, []).append(len(rows))
            rows.append(Row(member.said, member.codec, member.talk is Talk.ALL))
        if not rows:
            return
        mixed: list[Member] = []
        listeners: list[Listener] = []
        for member in self.members:
            if member.deaf or not member.listening:
                continue
            mine = own.get(member, -1)
            extra = tuple(coaches[member.name]) if member.name in coaches else ()
            count = public - (mine >= 0) + len(extra)
            if count > 1:
                mixed.append(member)
                listeners.append(Listener(member.wanted, mine, extra))
            elif count:
                number = extra[0] if extra else last
                if not extra and mine == last:
                    number = next(each for each in own.values() if each != mine)
                row = rows[number]
                member.hears = converted(row.frame, row.codec, member.wanted)
        if mixed:
            frames = arithmetic.mix(rows, listeners)
            for member, frame in zip(mixed, frames, strict=True):
                member.hears = frame
