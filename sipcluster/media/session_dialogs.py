"""
The dialogs of one session (RFC 5707 section 9): what is played, collected and recorded
because MSML says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.logger import Logger

from sipcluster.media.imedia import (
    Ended,
    Full,
    Heard,
    IAudio,
    IAudioLibrary,
    IRTPSession,
    MediaError,
    NoSuchAudio,
    Talk,
)
from sipcluster.media.session_dialog import PLAYED, RECORDED, Dialog, Failed
from sipcluster.msml.values import (
    DIALOG_EXIT,
    Action,
    CreateConference,
    DestroyConference,
    DialogEnd,
    DialogStart,
    Event,
    Play,
    Result,
    Script,
    Stream,
    Unjoin,
)
from sipcluster.sip.timers import TimerQueue

__all__ = ("Dialogs", "Failed")

log = Logger()

#: Dialogs that run in one session at a time.
MOST_DIALOGS = 8

#: What is played before a recording that wants it.
BEEP = "tone:beep"

#: The event with which it is told who has answered, while the dialog goes on.
DETECTED = "sipcluster.cpd"


class Dialogs:
    """
    All dialogs of one session.

    @ivar id: of the session's connection.
    """

    def __init__(
        self,
        id: str,
        rtp: IRTPSession,
        library: IAudioLibrary,
        timers: TimerQueue,
        say: Callable[[Event], None],
        recording: Callable[[str], tuple[str, Path]],
        destroy: Callable[[str], bool],
    ) -> None:
        """
        @param say: tells an event.
        @param recording: finds the name and the file of a recording, given what it
            is to be called.
        @param destroy: ends a conference; says whether there was one.
        """
        self.id = id
        self._rtp = rtp
        self._library = library
        self._timers = timers
        self._say = say
        self._recording = recording
        self._destroy = destroy
        self._dialogs: dict[str, Dialog] = {}
        self._made = 0
        self._plays: Dialog | None = None
        self._records: Dialog | None = None
        self._detects: Dialog | None = None

    @property
    def running(self) -> int:
        """
        How many there are.
        """
        return len(self._dialogs)

    # What MSML says

    def execute(self, script: Script) -> Result:
        """
        Do it, up to the first thing that cannot be done.
        """
        dialogs: list[str] = []
        conferences: list[str] = []
        for action in script.actions:
            try:
                self._do(action, dialogs, conferences)
            except Failed as e:
                why = str(e)
                return Result(e.response, why, tuple(dialogs), tuple(conferences))
        return Result(200, "", tuple(dialogs), tuple(conferences))

    def _do(self, action: Action, dialogs: list[str], conferences: list[str]) -> None:
        if isinstance(action, DialogStart):
            dialogs.append(self._start(action))
        elif isinstance(action, DialogEnd):
            dialog = self._dialogs.get(self._full(action.id))
            if dialog is None:
                raise Failed(430, f"there is no {action.id[:80]}")
            self._end(dialog)
        elif isinstance(action, CreateConference):
            if not action.name:
                raise Failed(408, "a conference wants a name")
            # It begins with its first member.
            conferences.append(f"conf:{action.name}")
        elif isinstance(action, DestroyConference):
            name = self._conference(action.id)
            if not self._destroy(name):
                raise Failed(430, f"there is no {action.id[:80]}")
        elif isinstance(action, Stream):
            self._join(action)
        elif isinstance(action, Unjoin):
            self._isOurs(action.one)
            self._rtp.leave()

    def _full(self, id: str) -> str:
        return id if id.startswith("conn:") else f"{self.id}/dialog:{id}"

    def _isOurs(self, id: str) -> None:
        if id not in (self.id, "conn:*"):
            raise Failed(430, f"{id[:80]} is not this connection")

    def _conference(self, id: str) -> str:
        kind, colon, name = id.partition(":")
        if kind != "conf" or not colon or not name:
            raise Failed(430, f"{id[:80]} is no conference")
        return name

    def _join(self, action: Stream) -> None:
        self._isOurs(action.one)
        talk = Talk.COACH if action.coached else Talk.ALL
        try:
            self._rtp.join(
                self._conference(action.other),
                action.member,
                talk if action.heard else Talk.NOBODY,
                action.coached,
                not action.hears,
            )
        except Full as e:
            raise Failed(440, str(e)) from None

    # Dialogs

    def _start(self, start: DialogStart) -> str:
        self._isOurs(start.target)
        self._made += 1
        id = self._full(start.name or str(self._made))
        running = self._dialogs.get(id)
        if running is None and len(self._dialogs) >= MOST_DIALOGS:
            raise Failed(433, "too many dialogs")
        audio = self._audio(start)
        path: Path | None = None
        name = ""
        if start.record is not None:
            try:
                name, path = self._recording(start.record.destination)
            except (OSError, ValueError) as e:
                raise Failed(423, str(e)) from None
        if running is not None:
            # The same one, once more: what it does has changed.
            self._drop(running)
        left = {
            what
            for what, part in (
                ("play", start.play),
                ("collect", start.collect),
                ("record", start.record),
                ("detect", start.detect or None),
            )
            if part is not None
        }
        dialog = Dialog(id, start, left, recording=name, file=path)
        self._dialogs[id] = dialog
        self._begin(dialog, audio)
        return id

    def _audio(self, start: DialogStart) -> list[IAudio]:
        """
        All that is played.
        """
        uris: Sequence[str] = () if start.play is None else start.play.uris
        try:
            found = [self._library.find(uri) for uri in uris]
            if start.record is not None and start.record.beep:
                found.append(self._library.find(BEEP))
        except NoSuchAudio as e:
            raise Failed(423, str(e)) from None
        return found

    def _begin(self, dialog: Dialog, audio: list[IAudio]) -> None:
        start = dialog.start
        if start.detect:
            self._detects = dialog
            self._rtp.detect(lambda heard: self._heard(dialog, heard))
        self._listen()
        if audio:
            self._play(dialog, audio)
        else:
            dialog.played = True
            self._record(dialog)
        if start.collect is not None and (
            dialog.played or (start.play is not None and not start.play.repeat)
        ):
            self._wait(dialog, start.collect.firstDigit)

    def _play(self, dialog: Dialog, audio: list[IAudio]) -> None:
        play = dialog.start.play or Play((BEEP,))
        self._plays = dialog

        def done(ended: Ended) -> None:
            if self._plays is dialog:
                self._plays = None
            self._played(dialog, ended)

        self._rtp.play(audio, done, play.repeat, play.interval, play.longest or None)

    def _played(self, dialog: Dialog, ended: Ended) -> None:
        if dialog.ended or dialog.played:
            return
        dialog.played = True
        start = dialog.start
        said = "play.complete.barge" if dialog.barged else PLAYED[ended]
        if start.play is not None:
            dialog.values["play.end"] = said
        dialog.left.discard("play")
        self._record(dialog)
        waits = "collect" in dialog.left and not dialog.digits and not dialog.timer
        if waits and start.collect is not None:
            self._wait(dialog, start.collect.firstDigit)
        self._look(dialog)

    # Digits

    def digit(self, digit: str) -> None:
        """
        The far end has sent a digit.
        """
        for dialog in list(self._dialogs.values()):
            if dialog.ended:
                continue
            start = dialog.start
            if start.play is not None and start.play.bargeIn and not dialog.played:
                dialog.barged = True
                if self._plays is dialog:
                    self._rtp.hush()
                self._played(dialog, Ended.STOPPED)
            if "collect" in dialog.left:
                self._collected(dialog, digit)
            elif (
                "record" in dialog.left
                and start.record is not None
                and digit in start.record.ending
                and self._records is dialog
            ):
                dialog.values["record.end"] = "record.complete.termkey"
                self._rtp.endRecording()

    def _listen(self) -> None:
        wanted = any(
            dialog.start.collect is not None
            or (dialog.start.play is not None and dialog.start.play.bargeIn)
            or (dialog.start.record is not None and dialog.start.record.ending)
            for dialog in self._dialogs.values()
        )
        self._rtp.collect(self.digit if wanted else None)

    def _collected(self, dialog: Dialog, digit: str) -> None:
        collect = dialog.start.collect
        assert collect is not None
        if digit in collect.ending:
            enough = len(dialog.digits) >= collect.least
            self._gathered(dialog, "dtmf.match" if enough else "dtmf.nomatch")
            return
        dialog.digits += digit
        if len(dialog.digits) >= collect.most:
            self._gathered(dialog, "dtmf.match")
        else:
            self._wait(dialog, collect.nextDigit)

    def _wait(self, dialog: Dialog, seconds: float) -> None:
        if dialog.timer is not None:
            dialog.timer.cancel()
        dialog.timer = self._timers.after(seconds, self._late, dialog)

    def _late(self, dialog: Dialog) -> None:
        dialog.timer = None
        if not dialog.ended and "collect" in dialog.left:
            said = "dtmf.nomatch" if dialog.digits else "dtmf.noinput"
            self._gathered(dialog, said)

    def _gathered(self, dialog: Dialog, said: str) -> None:
        if dialog.timer is not None:
            dialog.timer.cancel()
            dialog.timer = None
        dialog.left.discard("collect")
        dialog.values["dtmf.end"] = said
        dialog.values["dtmf.digits"] = dialog.digits
        dialog.values["dtmf.len"] = str(len(dialog.digits))
        if dialog.left <= {"play"}:
            # Nobody would hear the end of it for anything.
            self._finish(dialog)
        else:
            self._look(dialog)

    # Recordings

    def _record(self, dialog: Dialog) -> None:
        record, path = dialog.start.record, dialog.file
        if record is None or path is None or "record" not in dialog.left:
            return
        if self._records is not None:
            self._rtp.endRecording()
        try:
            # Somebody else may have taken the name while something was played.
            dialog.recording, path = self._recording(record.destination)
        except (OSError, ValueError) as e:
            self._recordsNothing(dialog, path, str(e))
            return

        def done(ended: Ended, seconds: float) -> None:
            if self._records is dialog:
                self._records = None
            if dialog.ended:
                return
            dialog.left.discard("record")
            dialog.values.setdefault("record.end", RECORDED[ended])
            dialog.values["record.len"] = f"{round(seconds * 1000)}ms"
            if ended is not Ended.FAILED:
                dialog.values["record.recordid"] = dialog.recording
            self._look(dialog)

        self._records = dialog
        try:
            self._rtp.record(path, done, record.longest, record.silence or None)
        except MediaError as e:
            self._records = None
            self._recordsNothing(dialog, path, str(e))

    def _recordsNothing(self, dialog: Dialog, path: Path, why: str) -> None:
        """
        There can be no recording.
        """
        log.error("recording {path}: {why}", path=str(path), why=why)
        dialog.left.discard("record")
        dialog.values["record.end"] = "record.failed"
        # Not before it is answered that it has begun.
        self._timers.after(0.0, self._look, dialog)

    # Who has answered

    def _heard(self, dialog: Dialog, heard: Heard) -> None:
        if self._detects is dialog:
            self._detects = None
        if dialog.ended or "detect" not in dialog.left:
            return
        dialog.left.discard("detect")
        dialog.values["cpd.result"] = heard.value
        if dialog.left:
            self._say(Event(DETECTED, dialog.id, {"cpd.result": heard.value}))
            dialog.values.pop("cpd.result")
        else:
            self._finish(dialog)

    # Ends

    def _look(self, dialog: Dialog) -> None:
        """
        Something of a dialog is over: perhaps all of it is.
        """
        if not dialog.left and not dialog.ended:
            self._finish(dialog)

    def _end(self, dialog: Dialog) -> None:
        """
        Somebody ends it.
        """
        if "play" in dialog.left:
            dialog.values.setdefault("play.end", "play.terminated")
        if "record" in dialog.left:
            dialog.values.setdefault("record.end", "record.terminated")
            if self._records is dialog:
                dialog.values["record.recordid"] = dialog.recording
        self._finish(dialog)

    def _finish(self, dialog: Dialog) -> None:
        if not dialog.ended:
            self._drop(dialog)
            self._say(Event(DIALOG_EXIT, dialog.id, dialog.values))

    def _drop(self, dialog: Dialog) -> None:
        """
        Let it do nothing any more, and say nothing.
        """
        dialog.ended = True
        if self._dialogs.get(dialog.id) is dialog:
            del self._dialogs[dialog.id]
        if dialog.timer is not None:
            dialog.timer.cancel()
            dialog.timer = None
        if self._plays is dialog:
            self._plays = None
            self._rtp.hush()
        if self._records is dialog:
            self._records = None
            self._rtp.endRecording()
        if self._detects is dialog:
            self._detects = None
            self._rtp.detect(None)
        self._listen()

    def stop(self) -> None:
        """
        The session is over.
        """
        for dialog in list(self._dialogs.values()):
            self._drop(dialog)
