"""
Tests for L{sipcluster.media.rtp_session} and what it is made of.
"""

from __future__ import annotations

import itertools
import wave
from array import array
from pathlib import Path

from zope.interface.verify import verifyObject

from sipcluster.media.audio import AudioLibrary
from sipcluster.media.g711 import decoded
from sipcluster.media.imedia import (
    Codec,
    Ended,
    Heard,
    IRTPSession,
    LocalMedia,
    MediaError,
    NotAcceptable,
)
from sipcluster.media.packets import render
from sipcluster.media.wav import read
from tests.unit.media.sessions import (
    PLAIN,
    SessionCase,
    meanSquare,
    power,
    tone,
)

#: The line by which a telephone says that it takes events.
EVENTS = b"a=rtpmap:101 telephone-event/8000\r\n"


class DescriptionTests(SessionCase):
    """
    What both ends can.
    """

    def test_interface(self) -> None:
        """
        The seam is kept.
        """
        verifyObject(IRTPSession, self.server)

    def test_local(self) -> None:
        """
        Our end is known before and after there is something agreed on.
        """
        session = self.studio.server.session()
        both = (Codec.PCMU, Codec.PCMA)
        self.assertEqual(session.local, LocalMedia("192.0.2.1", 30002, both, 101))
        session.answer(PLAIN)
        self.assertEqual(
            session.local, LocalMedia("192.0.2.1", 30002, (Codec.PCMA,), None)
        )

    def test_versions(self) -> None:
        """
        Each description has a higher version than the one before, of one session.
        """
        lines = [
            body.split(b"\r\n")[1].split()
            for body in (
                self.server.answered,
                self.server.offer(),
                self.server.answer(PLAIN),
            )
        ]
        self.assertEqual(len({line[1] for line in lines}), 1)
        self.assertEqual([int(line[2]) for line in lines], [1, 2, 3])

    def test_badLater(self) -> None:
        """
        A later offer that does not suit changes nothing.
        """
        self.assertRaises(NotAcceptable, self.server.answer, b"nonsense")
        self.assertRaises(NotAcceptable, self.server.accepted, b"nonsense")
        self.studio.run(0.1)
        self.assertEqual(len(self.ear.packets), 5)

    def test_nothingBefore(self) -> None:
        """
        Before anything is agreed on nothing is sent, and what comes is not heard.
        """
        session = self.studio.server.session()
        session.play([tone(400)], self.ended.append, longest=0.1)
        far = self.studio.network["192.0.2.2"].bind(0, lambda data, origin: None)
        far.send(render(0, 1, 2, 3, bytes(160)), "192.0.2.1", session.local.port)
        self.studio.run(1.0)
        self.assertEqual((session.status()["sent"], self.ended), (0, []))
        self.assertEqual(session.status()["foreign"], 1)

    def test_packetLength(self) -> None:
        """
        Packets are as long as the far end wishes.
        """
        for milliseconds, count in ((10, 100), (30, 33), (40, 25), (60, 16)):
            wish = b"a=ptime:%d" % milliseconds
            self.server.answer(self.phone.offer().replace(b"a=ptime:20", wish))
            self.studio.run(0.1)
            del self.ear.packets[:]
            self.studio.run(1.0)
            self.assertIn(len(self.ear.packets), (count, count + 1))
            self.assertEqual(
                {len(p) for _, _, p in self.ear.packets}, {milliseconds * 8}
            )
            stamps = [stamp for _, stamp, _ in self.ear.packets]
            steps = {b - a & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)}
            self.assertEqual(steps, {milliseconds * 8})


class PlayTests(SessionCase):
    """
    Playing.
    """

    def test_tone(self) -> None:
        """
        A tone that is played is heard with its level.
        """
        self.server.play([tone(400, level=-13.0)], self.ended.append)
        self.studio.run(1.0)
        self.assertLess(abs(power(self.ear.samples, 400) / 3529**2 - 1), 0.05)
        self.assertEqual(self.ended, [])
        self.assertTrue(self.server.status()["playing"])

    def test_file(self) -> None:
        """
        A file that is played is heard byte by byte, and its end is told once.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        data = bytes(range(256)) * 5
        (folder / "one.ulaw").write_bytes(data)
        audio = AudioLibrary(folder).find("one.ulaw")
        self.server.play([audio], self.ended.append, repeat=2)
        self.studio.run(2.0)
        heard = b"".join(payload for _, _, payload in self.ear.packets)
        self.assertEqual(heard[: 2 * len(data)], data * 2)
        self.assertEqual(set(heard[2 * len(data) :]), {0xFF})
        self.assertEqual(self.ended, [Ended.DONE])

    def test_instead(self) -> None:
        """
        What is played next ends what was played.
        """
        self.server.play([tone(400)], self.ended.append)
        self.server.play([tone(500)])
        self.assertEqual(self.ended, [Ended.STOPPED])
        self.studio.run(1.0)
        self.assertLess(power(self.ear.samples, 400), 10)
        self.server.hush()
        self.server.hush()
        del self.ear.samples[:]
        self.studio.run(0.2)
        self.assertEqual(meanSquare(self.ear.samples), 0)

    def test_nextOne(self) -> None:
        """
        At the end of one something else may be played.
        """

        def more(why: Ended) -> None:
            self.ended.append(why)
            if len(self.ended) < 3:
                self.server.play([tone(400)], more, longest=0.1)

        more(Ended.DONE)
        self.studio.run(1.0)
        self.assertEqual(self.ended, [Ended.DONE, Ended.LIMIT, Ended.LIMIT])

    def test_held(self) -> None:
        """
        Who is held hears nothing, and what is played goes on all the same.
        """
        self.server.answer(self.phone.offer().replace(b"sendrecv", b"inactive"))
        self.server.play([tone(400)], self.ended.append, longest=0.5)
        self.studio.run(1.0)
        self.assertEqual(self.ear.packets, [])
        self.assertEqual(self.ended, [Ended.LIMIT])
        self.server.answer(self.phone.offer())
        self.studio.run(0.1)
        self.assertEqual(len(self.ear.packets), 5)

    def test_stopped(self) -> None:
        """
        After its end a session does nothing any more; the far end is told BYE.
        """
        self.server.play([tone(400)], self.ended.append)
        self.server.stop()
        self.server.stop()
        self.assertEqual(self.ended, [Ended.STOPPED])
        self.assertTrue(self.phone.status()["gone"])
        self.assertRaises(MediaError, self.server.play, [tone(400)])
        self.assertRaises(MediaError, self.server.join, "c")
        self.assertRaises(MediaError, self.server.dial, "1")
        self.assertRaises(MediaError, self.server.record, Path("x"))
        self.studio.run(0.1)
        self.assertEqual(self.ear.packets, [])


class DigitTests(SessionCase):
    """
    Digits, with events.
    """

    def test_digits(self) -> None:
        """
        What is dialled is collected, each once, and no sound is between.
        """
        self.server.collect(self.digits.append)
        self.phone.dial("0123456789*#ABCD")
        self.studio.run(6.0)
        self.assertEqual("".join(self.digits), "0123456789*#ABCD")

    def test_loss(self) -> None:
        """
        Losing two packets of three loses no digit.
        """
        phones = self.studio.network["192.0.2.2"]
        count = iter(range(10**6))
        phones.loses = lambda data: next(count) % 3 != 1  # type: ignore[method-assign]
        self.server.collect(self.digits.append)
        self.phone.dial("12345")
        self.studio.run(3.0)
        self.assertEqual("".join(self.digits), "12345")
        self.assertGreater(self.reported(self.server, "lost"), 50)

    def test_notCollected(self) -> None:
        """
        Nobody is told what nobody asked for.
        """
        self.phone.dial("1")
        self.studio.run(0.5)
        self.server.collect(self.digits.append)
        self.phone.dial("2")
        self.studio.run(0.5)
        self.server.collect(None)
        self.phone.dial("3")
        self.studio.run(0.5)
        self.assertEqual(self.digits, ["2"])

    def test_callbackFails(self) -> None:
        """
        What a callback raises is logged, and other digits come.
        """

        def fail(digit: str) -> None:
            self.digits.append(digit)
            raise ZeroDivisionError

        self.server.collect(fail)
        self.phone.dial("12")
        self.studio.run(1.0)
        self.assertEqual(self.digits, ["1", "2"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_noDigits(self) -> None:
        """
        Only digits can be dialled.
        """
        self.assertRaises(MediaError, self.phone.dial, "1x")


class ToneDigitTests(SessionCase):
    """
    Digits, without events.
    """

    offered = EVENTS

    def test_digits(self) -> None:
        """
        Where no events are agreed on, digits are tones.
        """
        self.server.collect(self.digits.append)
        self.phone.dial("0123456789*#ABCD", 0.06, 0.06)
        self.assertRaises(MediaError, self.phone.dial, "1")
        self.studio.run(3.0)
        self.assertEqual("".join(self.digits), "0123456789*#ABCD")
        self.phone.dial("55")
        self.studio.run(1.0)
        self.assertEqual("".join(self.digits[-2:]), "55")

    def test_otherLater(self) -> None:
        """
        When events are agreed on later, digits are those.
        """
        self.server.collect(self.digits.append)
        answer = self.server.answer(
            self.phone.offer().replace(b"a=rtpmap:0", EVENTS + b"a=rtpmap:0")
        )
        self.phone.accepted(answer)
        self.phone.dial("7")
        self.studio.run(0.5)
        self.assertEqual(self.digits, ["7"])
        self.assertFalse(self.server.receiver.buffering)


class ListenTests(SessionCase):
    """
    Recording, and who has answered.
    """

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())
        self.recorded: list[tuple[Ended, float]] = []

    def _done(self, why: Ended, seconds: float) -> None:
        self.recorded.append((why, round(seconds, 2)))

    def test_record(self) -> None:
        """
        What a telephone says is in the file.
        """
        self.phone.play([tone(400)])
        self.studio.run(0.2)
        self.server.record(self.path, self._done, longest=1.0)
        self.assertTrue(self.server.status()["recording"])
        self.studio.run(2.0)
        self.assertEqual(self.recorded, [(Ended.LIMIT, 1.0)])
        samples = read(self.path.read_bytes())
        self.assertEqual(len(samples), 8000)
        self.assertLess(abs(power(samples[800:], 400) / 4985**2 - 1), 0.02)
        self.assertFalse(self.server.receiver.buffering)

    def test_both(self) -> None:
        """
        Two channels have both sides, at the same time.
        """
        self.phone.play([tone(400)])
        self.server.play([tone(500)])
        self.server.record(self.path, self._done, both=True)
        self.studio.run(1.0)
        self.server.endRecording()
        self.assertEqual(self.recorded, [(Ended.STOPPED, 1.0)])
        data = self.path.read_bytes()[-16000:]
        for side, mine, other in ((0, 400, 500), (1, 500, 400)):
            law = bytes(data[side::2])
            samples = decoded(law, Codec.PCMU)[800:]
            self.assertGreater(power(samples, mine), 4900**2)
            self.assertLess(power(samples, other), 400)

    def test_silence(self) -> None:
        """
        A recording may end when nothing is said any more.
        """
        self.phone.play([tone(400)], longest=1.0)
        self.server.record(self.path, self._done, silence=0.5)
        self.studio.run(3.0)
        [(why, seconds)] = self.recorded
        self.assertIs(why, Ended.SILENCE)
        self.assertLess(abs(seconds - 1.54), 0.05)

    def test_again(self) -> None:
        """
        Another recording ends the one before; the end of the session ends all.
        """
        self.server.record(self.path, self._done)
        self.studio.run(0.1)
        other = Path(self.mktemp())
        self.server.record(other, self._done)
        self.studio.run(0.2)
        self.server.stop()
        self.assertEqual(self.recorded, [(Ended.STOPPED, 0.1), (Ended.STOPPED, 0.2)])
        self.assertTrue(self.path.exists() and other.exists())

    def test_noPlace(self) -> None:
        """
        Where nothing can be written, nothing is recorded.
        """
        self.path.write_text("")
        self.assertRaises(MediaError, self.server.record, self.path / "x", self._done)
        self.assertFalse(self.server.status()["recording"])

    def test_pcmIsNotNeeded(self) -> None:
        """
        Others read such files: Python's own module knows what is missing is PCM.
        """
        self.server.record(self.path, both=True)
        self.server.endRecording()
        self.assertRaises(wave.Error, wave.open, str(self.path))

    def test_detect(self) -> None:
        """
        It is told once who has answered.
        """
        heard: list[Heard] = []
        self.server.detect(heard.append)
        self.phone.play([self.studio.phones.library.find("tone:ced")])
        self.studio.run(3.0)
        self.assertEqual(heard, [Heard.FAX])
        self.server.detect(heard.append)
        self.server.detect(None)
        self.studio.run(9.0)
        self.assertEqual(heard, [Heard.FAX])

    def test_detectAgain(self) -> None:
        """
        Who is told may ask again at once.
        """
        heard: list[Heard] = []

        def again(what: Heard) -> None:
            heard.append(what)
            self.server.detect(heard.append)

        self.server.detect(again)
        self.studio.run(9.0)
        self.assertEqual(heard, [Heard.SILENCE, Heard.SILENCE])

    def test_lossesAreSilence(self) -> None:
        """
        A far end of which nothing comes is recorded as silence.
        """
        self.phone.stop()
        self.server.record(self.path, self._done, longest=0.5)
        self.studio.run(1.0)
        samples = read(self.path.read_bytes())
        self.assertEqual(samples, array("h", bytes(8000)))
