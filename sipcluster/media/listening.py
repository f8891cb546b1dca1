"""
What is done with the audio of a far end besides mixing it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from sipcluster.media.arithmetic import IArithmetic
from sipcluster.media.detectors import LOUD, AnswerDetector, DigitDetector
from sipcluster.media.imedia import Codec, Ended, Heard
from sipcluster.media.recorder import Recorder

log = Logger()


class Listening:
    """
    Digits as tones, who has answered, and a recording.

    @ivar name: of the session, for logs.
    """

    __slots__ = ("_arithmetic", "_detector", "_digits", "_heard", "_recorder", "name")

    def __init__(self, name: str, arithmetic: IArithmetic) -> None:
        self.name = name
        self._arithmetic = arithmetic
        self._digits: DigitDetector | None = None
        self._detector: AnswerDetector | None = None
        self._heard: Callable[[Heard], None] | None = None
        self._recorder: Recorder | None = None

    @property
    def busy(self) -> bool:
        """
        Whether audio is wanted.
        """
        return (
            self._digits is not None
            or self._detector is not None
            or self._recorder is not None
        )

    @property
    def recording(self) -> bool:
        """
        Whether a recording runs.
        """
        return self._recorder is not None

    def tones(self, wanted: bool) -> None:
        """
        Whether digits come as tones.
        """
        if not wanted:
            self._digits = None
        elif self._digits is None:
            self._digits = DigitDetector(self._arithmetic)

    def detect(self, heard: Callable[[Heard], None] | None) -> None:
        """
        See L{sipcluster.media.imedia.IRTPSession}.
        """
        self._heard = heard
        self._detector = None if heard is None else AnswerDetector(self._arithmetic)

    def record(
        self,
        path: Path,
        codec: Codec,
        done: Callable[[Ended, float], None] | None,
        longest: float,
        silence: float | None,
        both: bool,
    ) -> None:
        """
        See L{sipcluster.media.imedia.IRTPSession}.
        """
        self.endRecording(Ended.STOPPED)
        self._recorder = Recorder(path, codec, done, longest, silence, both)

    def endRecording(self, why: Ended) -> None:
        """
        End it, if any.
        """
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        why = recorder.end(why)
        if recorder.done is not None:
            with log.failuresHandled("Recorded {name}", name=self.name):
                recorder.done(why, recorder.seconds)

    def frame(
        self, said: bytes | None, codec: Codec, sent: bytes | None
    ) -> tuple[str, Heard | None]:
        """
        One frame.

        @param said: by the far end; L{None}: nothing.
        @param codec: of both.
        @param sent: to the far end.

        @return: digits that begin in it, and who has answered, once it is known.
        """
        digits, found = "", None
        recorder = self._recorder
        samples = None
        if said is not None and (
            self._digits is not None
            or self._detector is not None
            or (recorder is not None and recorder.patient)
        ):
            samples = self._arithmetic.samples(said, codec)
        if self._digits is not None:
            if samples is None:
                self._digits.silent()
            else:
                digits = self._digits.feed(samples)
        if self._detector is not None:
            found = self._detector.feed(samples)
        if recorder is not None:
            loud = samples is not None and self._arithmetic.energy(samples) > LOUD
            recorder.frame(said, codec, sent, loud)
            if recorder.over is not None:
                self.endRecording(recorder.over)
        return digits, found

    def tell(self, found: Heard) -> None:
        """
        It is known who has answered.
        """
        heard = self._heard
        self.detect(None)
        if heard is not None:
            with log.failuresHandled("Answered to {name}", name=self.name):
                heard(found)

    def stop(self) -> None:
        """
        Want no more.
        """
        self.tones(False)
        self.detect(None)
        self.endRecording(Ended.STOPPED)
