"""
One dialog of MSML that runs, and the words for what becomes of it.
"""

from __future__ import annotations

from pathlib import Path

from attrs import define, field

from sipcluster.media.imedia import Ended
from sipcluster.msml.values import DialogStart
from sipcluster.sip.timers import Timer

#: The words of MSML for the end of something that was played, or recorded.
PLAYED = {
    Ended.DONE: "play.complete",
    Ended.LIMIT: "play.complete.maxlength",
    Ended.SILENCE: "play.complete",
    Ended.STOPPED: "play.terminated",
    Ended.FAILED: "play.failed",
}
RECORDED = {
    Ended.DONE: "record.complete",
    Ended.LIMIT: "record.complete.maxlength",
    Ended.SILENCE: "record.complete.postspeech",
    Ended.STOPPED: "record.terminated",
    Ended.FAILED: "record.failed",
}


class Failed(Exception):
    """
    Something that MSML wants is not done.

    @ivar response: the code for it (RFC 5707 section 11).
    """

    def __init__(self, response: int, why: str) -> None:
        super().__init__(why)
        self.response = response


@define(eq=False)
class Dialog:
    """
    One that runs.

    @ivar left: what of it is not over.
    @ivar values: for its last event.
    @ivar played: nothing is to be played any more.
    @ivar barged: because of a digit.
    @ivar recording: the name of what is recorded.
    @ivar file: where that is written.
    """

    id: str
    start: DialogStart
    left: set[str]
    values: dict[str, str] = field(factory=dict)
    digits: str = ""
    timer: Timer | None = None
    played: bool = False
    barged: bool = False
    recording: str = ""
    file: Path | None = None
    ended: bool = False
