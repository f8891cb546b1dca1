"""
Tests for L{sipcluster.media.conference}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.arithmetic import IArithmetic, PlainArithmetic, best
from sipcluster.media.conference import Conference, Member
from sipcluster.media.imedia import Codec, Full, Talk
from tests.unit.media.sessions import Ear, Studio, power, tone

#: What the three say, in hertz.
FREQUENCIES = (400, 500, 700)

#: The mean square of each of them, at -10 dBm0.
SAID = 4985.0**2


class ConferenceTests(SynchronousTestCase):
    """
    Three telephones in a conference.
    """

    def setUp(self) -> None:
        self.studio = Studio(self.arithmetic())
        self.addCleanup(self.studio.end)
        ends = [self.studio.call() for _ in range(3)]
        self.phones = [phone for phone, _ in ends]
        self.members = [member for _, member in ends]
        self.ears = [Ear(phone) for phone in self.phones]
        for phone, frequency in zip(self.phones, FREQUENCIES, strict=True):
            phone.play([tone(frequency)])
        for number, member in enumerate(self.members):
            member.join("c", member=f"m{number}")

    def arithmetic(self) -> IArithmetic:
        """
        The one to mix with.
        """
        return best()

    def heard(self) -> list[str]:
        """
        Whom each hears, as numbers; levels must be right within half a decibel.
        """
        self.studio.run(0.5)
        for ear in self.ears:
            del ear.samples[:]
        self.studio.run(0.5)
        found = []
        for ear in self.ears:
            names = ""
            for number, frequency in enumerate(FREQUENCIES):
                level = power(ear.samples, frequency) / SAID
                if level > 0.5:
                    self.assertLess(abs(level - 1), 0.12)
                    names += str(number)
                else:
                    self.assertLess(level, 0.0001)
            found.append(names)
        return found

    def test_everybodyHearsTheOthers(self) -> None:
        """
        And nobody hears itself.
        """
        self.assertEqual(self.heard(), ["12", "02", "01"])

    def test_mute(self) -> None:
        """
        Who is mute is not heard, and hears.
        """
        self.members[1].join("c", talk=Talk.NOBODY)
        self.assertEqual(self.heard(), ["2", "02", "0"])
        self.members[1].join("c")
        self.assertEqual(self.heard(), ["12", "02", "01"])

    def test_deaf(self) -> None:
        """
        Who is deaf is heard, and hears nothing.
        """
        self.members[1].join("c", deaf=True)
        self.assertEqual(self.heard(), ["12", "", "01"])

    def test_coach(self) -> None:
        """
        A coach is heard by one alone, and hears all.
        """
        self.members[2].join("c", talk=Talk.COACH, coached="m0")
        self.assertEqual(self.heard(), ["12", "0", "01"])
        self.members[2].join("c", talk=Talk.COACH, coached="nobody")
        self.assertEqual(self.heard(), ["1", "0", "01"])

    def test_twoCoaches(self) -> None:
        """
        One may be coached by several.
        """
        for coach in self.members[1:]:
            coach.join("c", talk=Talk.COACH, coached="m0")
        self.assertEqual(self.heard(), ["12", "0", "0"])

    def test_leave(self) -> None:
        """
        Who has left neither hears nor is heard; the last one ends the conference.
        """
        self.members[0].leave()
        self.assertEqual(self.heard(), ["", "2", "1"])
        for member in self.members:
            member.leave()
        status = self.studio.server.status()
        self.assertEqual((status["conferences"], status["members"]), (0, 0))

    def test_stopped(self) -> None:
        """
        So it is with who hangs up.
        """
        self.members[0].stop()
        self.assertEqual(self.heard(), ["", "2", "1"])

    def test_anotherConference(self) -> None:
        """
        One is in one conference at a time.
        """
        self.members[2].join("d")
        self.assertEqual(self.heard(), ["1", "0", ""])
        self.assertEqual(self.members[2].status()["conference"], "d")

    def test_prompt(self) -> None:
        """
        Who is played something hears that, is heard all the same, and then hears the
        others again.
        """
        self.members[0].play([tone(1000)], longest=1.0)
        self.assertEqual(self.heard(), ["", "02", "01"])
        self.studio.run(0.5)
        self.assertEqual(self.heard(), ["12", "02", "01"])

    def test_otherLaw(self) -> None:
        """
        Members may have different laws.
        """
        phone = self.studio.phones.session()
        offer = phone.offer().replace(b"AVP 0 8", b"AVP 8")
        self.members[2].stop()
        self.phones[2].stop()
        self.members[2] = self.studio.server.session(offer)
        phone.accepted(self.members[2].answered)
        phone.play([tone(FREQUENCIES[2])])
        self.ears[2] = Ear(phone)
        self.members[2].join("c")
        self.assertEqual(self.heard(), ["12", "02", "01"])
        self.assertEqual({kind for kind, _, _ in self.ears[2].packets}, {8})

    def test_held(self) -> None:
        """
        Who is held on SIP's side is sent nothing.
        """
        held = self.phones[1].offer().replace(b"a=sendrecv", b"a=sendonly")
        self.members[1].answer(held)
        self.assertEqual(self.heard(), ["12", "", "01"])
        self.members[1].answer(self.phones[1].offer())
        self.assertEqual(self.heard(), ["12", "02", "01"])


class PlainConferenceTests(ConferenceTests):
    """
    The same, without numpy.
    """

    def arithmetic(self) -> IArithmetic:
        """
        The one to mix with.
        """
        return PlainArithmetic()


class MixTests(SynchronousTestCase):
    """
    One frame.
    """

    def _conference(self, *said: bytes | None) -> tuple[Conference, list[Member]]:
        conference = Conference("c", 4)
        session: Any = None
        members = [conference.join(session) for _ in said]
        for member, frame in zip(members, said, strict=True):
            member.said = frame
        return conference, members

    def test_oneSpeaker(self) -> None:
        """
        What one says alone goes on as it is, and is not mixed.
        """
        frame = bytes(range(160))
        conference, members = self._conference(frame, None, None)
        members[2].wanted = Codec.PCMA
        nothing: Any = None
        conference.mix(nothing)
        self.assertIsNone(members[0].hears)
        self.assertIs(members[1].hears, frame)
        self.assertEqual(len(members[2].hears or b""), 160)

    def test_nobody(self) -> None:
        """
        Where nobody says anything, nobody hears anything.
        """
        conference, members = self._conference(None, None)
        members[0].hears = b"old"
        nothing: Any = None
        conference.mix(nothing)
        self.assertIsNone(members[0].hears)

    def test_full(self) -> None:
        """
        There is an end to how many there may be.
        """
        conference, members = self._conference(None, None, None, None)
        session: Any = None
        self.assertRaises(Full, conference.join, session)
        conference.leave(members[0])
        conference.join(session)

    def test_fullStaysWhereItIs(self) -> None:
        """
        Who finds a conference full stays in the one that it is in.
        """
        studio = Studio(members=1)
        self.addCleanup(studio.end)
        one, other = studio.server.session(), studio.server.session()
        one.join("c")
        other.join("d")
        self.assertRaises(Full, other.join, "c")
        self.assertEqual(other.status()["conference"], "d")
