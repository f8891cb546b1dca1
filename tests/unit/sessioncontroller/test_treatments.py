"""
What treatments and routes come to: the words of the field.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.default_routing import RoutingPoints
from sipcluster.sessioncontroller.events import Cause
from sipcluster.sessioncontroller.imedia import MediaKind, MediaRequest
from sipcluster.sessioncontroller.irouting import Treatment, TreatmentType
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    RoutingPointDN,
    Why,
)
from sipcluster.sessioncontroller.prediction import Prediction, predictionOf
from sipcluster.sessioncontroller.route_words import overridesOf
from sipcluster.sessioncontroller.treatments import Prescription, prescribe
from sipcluster.sessioncontroller.waiting import Overrides
from sipcluster.wire.kvlist import KVList, KVValue


def media(kind: TreatmentType, *parameters: tuple[str, KVValue]) -> MediaRequest:
    """
    What a media server does for a treatment.
    """
    found = prescribe(Treatment(kind, parameters), "c1").media
    assert found is not None
    return found


class PrescriptionTests(SynchronousTestCase):
    """
    L{prescribe}.
    """

    def assertNonsense(
        self, kind: TreatmentType, *parameters: tuple[str, KVValue]
    ) -> None:
        """
        Something makes no sense.
        """
        with self.assertRaises(CallRefused) as caught:
            prescribe(Treatment(kind, parameters), "c1")
        self.assertIn(caught.exception.why, (Why.BAD_VALUE, Why.UNSUPPORTED))

    def test_music(self) -> None:
        """
        Music is what the treatment says, else that of the queue, without end.
        """
        found = media(TreatmentType.MUSIC)
        self.assertEqual((found.play, found.repeat), (("file:music/in_queue",), 0))
        self.assertFalse(found.early)
        for name, uri in (
            ("music/jazz", "file:music/jazz"),
            ("file:a.wav", "file:a.wav"),
            ("https://music.example/a.wav", "https://music.example/a.wav"),
        ):
            found = media(TreatmentType.MUSIC, ("MUSIC_DN", name))
            self.assertEqual(found.play, (uri,))

    def test_names(self) -> None:
        """
        Names do not leave their folder, and have no other scheme.
        """
        for name in ("../x", "/etc/passwd", "a\\b", "ftp:x", "a b", "x\n", "x" * 256):
            self.assertNonsense(TreatmentType.MUSIC, ("MUSIC_DN", name))
        self.assertNonsense(TreatmentType.MUSIC, ("MUSIC_DN", b"x"))

    def test_tones(self) -> None:
        """
        Tones are for callers that are not answered.
        """
        for kind, tone in (
            (TreatmentType.RING_BACK, "tone:ringback"),
            (TreatmentType.BUSY, "tone:busy"),
            (TreatmentType.FAST_BUSY, "tone:fastbusy"),
        ):
            found = media(kind)
            self.assertEqual((found.play, found.early), ((tone,), True))

    def test_prompts(self) -> None:
        """
        A prompt is one or several, of what was recorded, by callers too, and digits.
        """
        for prompt, play in (
            ("7", ("file:announcement/7",)),
            (7, ("file:announcement/7",)),
            ((("ID", 7),), ("file:announcement/7",)),
            ((("1", (("USER_ANN_ID", "u/1"),)),), ("file:recordings/u/1",)),
            (
                (("1", (("ID", "a"),)), ("2", (("DIGITS", "12"),))),
                ("file:announcement/a", "file:digits/1", "file:digits/2"),
            ),
        ):
            found = media(TreatmentType.PLAY_ANNOUNCEMENT, ("PROMPT", prompt))
            self.assertEqual((found.play, found.repeat), (play, 1))
            self.assertIs(found.kind, MediaKind.ANNOUNCEMENT)
        for nonsense in ((), b"x", (("1", (("TEXT", "x"),)),), (("1", ()),)):
            self.assertNonsense(TreatmentType.PLAY_ANNOUNCEMENT, ("PROMPT", nonsense))
        self.assertNonsense(
            TreatmentType.PLAY_ANNOUNCEMENT,
            ("PROMPT", tuple((str(i), (("ID", i),)) for i in range(33))),
        )

    def test_digits(self) -> None:
        """
        How many digits, for how long, and what ends them.
        """
        found = media(
            TreatmentType.PLAY_ANNOUNCEMENT_AND_DIGITS,
            ("PROMPT", (("1", (("INTERRUPTABLE", 0), ("ID", 1))),)),
            ("MAX_DIGITS", "5"),
            ("START_TIMEOUT", 7),
            ("DIGIT_TIMEOUT", 3),
            ("TERM_DIGITS", "#"),
        )
        self.assertEqual((found.digits, found.firstDigit, found.nextDigit), (5, 7, 3))
        self.assertEqual((found.ending, found.bargeIn), ("#", False))
        for nonsense in (
            ("MAX_DIGITS", 0),
            ("MAX_DIGITS", 65),
            ("MAX_DIGITS", "many"),
            ("TERM_DIGITS", "x"),
            ("START_TIMEOUT", -1),
        ):
            self.assertNonsense(TreatmentType.COLLECT_DIGITS, nonsense)
        self.assertNonsense(TreatmentType.PLAY_ANNOUNCEMENT_AND_DIGITS)

    def test_others(self) -> None:
        """
        What needs no media server, and what is not supported.
        """
        for treatment, prescription in (
            (Treatment(TreatmentType.CANCEL_CALL), Prescription(ends=True)),
            (
                Treatment(TreatmentType.SET_DEFAULT_ROUTE, (("DEST", 1003),)),
                Prescription(destination="1003"),
            ),
            (
                Treatment(TreatmentType.SILENCE, (("DURATION", 2),)),
                Prescription(lasts=2.0),
            ),
        ):
            self.assertEqual(prescribe(treatment, "c1"), prescription)
        self.assertTrue(prescribe(Treatment(TreatmentType.IVR), "c1").cannot)

    @given(
        st.sampled_from(TreatmentType),
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["PROMPT", "MAX_DIGITS", "MUSIC_DN", "DURATION", "USER_ID", "DEST"]
                ),
                st.recursive(
                    st.integers() | st.text(max_size=5) | st.binary(max_size=3),
                    lambda more: st.lists(
                        st.tuples(st.sampled_from(["ID", "1", "TEXT"]), more)
                    ).map(tuple),
                    max_leaves=5,
                ),
            )
        ),
    )
    def test_anything(self, kind: TreatmentType, parameters: KVList) -> None:
        """
        Whatever a program sends, it is something or is refused.
        """
        try:
            found = prescribe(Treatment(kind, tuple(parameters)), "c1")
        except CallRefused:
            return
        self.assertIsInstance(found, Prescription)


class WordTests(SynchronousTestCase):
    """
    Extensions of requests.
    """

    def test_overrides(self) -> None:
        """
        What is to hold for one route.
        """
        self.assertEqual(overridesOf(()), Overrides())
        words = (
            ("NO_ANSWER_TIMEOUT", "15"),
            ("NO_ANSWER_OVERFLOW", "1003, recall"),
            ("NO_ANSWER_ACTION", "notready"),
            ("SOMETHING", "else"),
        )
        self.assertEqual(
            overridesOf(words), Overrides(15.0, ("1003", "recall"), "notready")
        )

    def test_prediction(self) -> None:
        """
        What is to be found out of who answers.
        """
        usual = predictionOf(())
        self.assertFalse(usual.detects)
        self.assertEqual(usual.drops, {Cause.ANSWERING_MACHINE, Cause.FAX})
        found = predictionOf(
            (
                ("call_answer_type_recognition", "positive_am_detection"),
                ("call_timeguard_timeout", 3000),
                ("am-detected", "connect"),
            )
        )
        self.assertEqual((found.detects, found.within), (True, 3.0))
        self.assertEqual(found.drops, {Cause.FAX})
        self.assertEqual(
            Prediction.of(found.value(True)).value(True), found.value(True)
        )


class DefaultTests(SynchronousTestCase):
    """
    L{RoutingPoints}.
    """

    def test_roundRobin(self) -> None:
        """
        Each call begins with the next default.
        """
        points = RoutingPoints()
        point = RoutingPointDN("5000", ("a", "b", "c"))
        self.assertEqual(
            ["".join(points.defaults(point)) for _ in range(4)],
            ["abc", "bca", "cab", "abc"],
        )
        self.assertEqual(points.defaults(RoutingPointDN("5001")), ())

    def test_nobody(self) -> None:
        """
        Without anybody who says so, nothing is asked, and nothing is known.
        """
        points = RoutingPoints()
        self.assertFalse(points.asks("5000"))
        self.assertIsNone(points.find("5000"))
        self.assertIsNone(points.agentAt("007"))
