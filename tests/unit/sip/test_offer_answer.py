"""
Tests for L{sipcluster.sip.offer_answer}: RFC 3264, RFC 6337.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.offer_answer import (
    CROSSED,
    IMPATIENT,
    Meaning,
    OfferAnswer,
    Refusal,
    Verdict,
    _machine,
)
from sipcluster.testing.machines import inputs, unanswered

NOTHING, OFFER, ANSWER = Meaning.NOTHING, Meaning.OFFER, Meaning.ANSWER
EARLY, REPEATED = Meaning.EARLY_ANSWER, Meaning.REPEATED
MISPLACED, MISSING = Meaning.MISPLACED, Meaning.MISSING


def play(books: OfferAnswer, ours: bool, *steps: str) -> list[Verdict]:
    """
    Show a dialog's messages to the books of one side.

    A step is C{"INVITE+"} for a request of the side that begins, with a session
    description, C{"200"} for the other side's response to its last request;
    C{"PRACK"} after C{"183r+"}, a reliable one.  A step after C{"<"} is a request
    of the other side, and the responses after it are ours.

    @param ours: whether we are the side that begins.
    """
    verdicts = []
    methods = {True: "INVITE", False: "INVITE"}
    asker = ours
    for step in steps:
        described = step.endswith("+")
        word = step.rstrip("+")
        if word[0] == "<":
            asker, word = not ours, word[1:]
        elif word[0].isalpha():
            asker = ours
        if word[0].isalpha():
            if word != "ACK":
                methods[asker] = word
            method = word.encode()
            request = books.requestSent if asker else books.requestReceived
            verdicts.append(request(method, described))
        else:
            code, dot, method_ = word.partition(".")
            reliable = code.endswith("r")
            status = int(code.rstrip("r"))
            method = (method_ if dot else methods[asker]).encode()
            response = books.responseReceived if asker else books.responseSent
            verdicts.append(response(method, status, described, reliable))
    return verdicts


class PatternTests(SynchronousTestCase):
    """
    The patterns of RFC 6337 table 1, seen from both sides.
    """

    def assertMeanings(
        self, steps: str, *expected: Verdict, state: str = "Stable"
    ) -> None:
        """
        Both sides read a dialog the same way.
        """
        for ours in (True, False):
            books = OfferAnswer()
            self.assertEqual(play(books, ours, *steps.split()), list(expected))
            seen = books.state
            if not ours and seen != "Stable":
                seen = "Their offer" if seen == "Our offer" else "Our offer"
            self.assertEqual(seen, state)
            self.assertEqual(books.mayOffer, state == "Stable")
            self.assertEqual(books.carrier == b"", state == "Stable")

    def test_offerInInvite(self) -> None:
        """
        The INVITE offers, the 2xx answers.
        """
        self.assertMeanings("INVITE+ 180 200+ ACK", OFFER, NOTHING, ANSWER, NOTHING)

    def test_earlyMedia(self) -> None:
        """
        A description in an unreliable 1xx is the answer that comes again.
        """
        self.assertMeanings(
            "INVITE+ 183+ 183+ 200+ 200+ ACK",
            *(OFFER, EARLY, EARLY, ANSWER, REPEATED, NOTHING),
        )

    def test_onlyEarlyAnswer(self) -> None:
        """
        A 2xx without a description counts as answered when a 1xx had one.
        """
        self.assertMeanings("INVITE+ 183+ 200 ACK", OFFER, EARLY, NOTHING, NOTHING)

    def test_lateOffer(self) -> None:
        """
        The 2xx to an INVITE without a description offers, the ACK answers; a
        retransmitted 2xx is no second offer, nor a repeated ACK an answer.
        """
        self.assertMeanings(
            "INVITE 180 200+ 200+ ACK+ ACK+",
            *(NOTHING, NOTHING, OFFER, REPEATED, ANSWER, MISPLACED),
        )

    def test_reliableAnswer(self) -> None:
        """
        A reliable 1xx answers for good.
        """
        self.assertMeanings(
            "INVITE+ 183r+ PRACK 200 180 200.INVITE+ ACK",
            *(OFFER, ANSWER, NOTHING, NOTHING, NOTHING, REPEATED, NOTHING),
        )

    def test_reliableOffer(self) -> None:
        """
        A reliable 1xx to an INVITE without a description offers, its PRACK
        answers.
        """
        self.assertMeanings(
            "INVITE 183r+ PRACK+ 200 200.INVITE ACK",
            *(NOTHING, OFFER, ANSWER, NOTHING, NOTHING, NOTHING),
        )

    def test_offerInPrack(self) -> None:
        """
        A PRACK may offer anew, and its 2xx answers.
        """
        self.assertMeanings(
            "INVITE+ 183r+ PRACK+ 200+ 200.INVITE ACK",
            *(OFFER, ANSWER, OFFER, ANSWER, NOTHING, NOTHING),
        )

    def test_update(self) -> None:
        """
        An UPDATE offers, from either side, early and later.
        """
        self.assertMeanings(
            "INVITE+ 183r+ PRACK 200 UPDATE+ 200+ 200.INVITE ACK "
            "UPDATE 200 <UPDATE+ 200+",
            *(OFFER, ANSWER, NOTHING, NOTHING, OFFER, ANSWER, NOTHING, NOTHING),
            *(NOTHING, NOTHING, OFFER, ANSWER),
        )

    def test_reinvite(self) -> None:
        """
        A re-INVITE of either side begins anew.
        """
        self.assertMeanings(
            "INVITE+ 200+ ACK <INVITE+ 200+ INVITE 200+ ACK+",
            *(OFFER, ANSWER, NOTHING, OFFER, ANSWER, NOTHING, OFFER, ANSWER),
        )

    def test_failed(self) -> None:
        """
        An offer ends with the failure of its request.
        """
        self.assertMeanings("INVITE+ 488", OFFER, NOTHING)
        self.assertMeanings("INVITE 183r+ 500", NOTHING, OFFER, NOTHING)
        self.assertMeanings(
            "INVITE+ 200+ UPDATE+ 488 UPDATE 488",
            *(OFFER, ANSWER, OFFER, NOTHING, NOTHING, NOTHING),
        )
        self.assertMeanings("INVITE 486", NOTHING, NOTHING)

    def test_failedInviteKeepsOthers(self) -> None:
        """
        The failure of an INVITE does not end the offer of an UPDATE.
        """
        self.assertMeanings(
            "INVITE+ 183r+ UPDATE+ 487.INVITE",
            *(OFFER, ANSWER, OFFER, NOTHING),
            state="Our offer",
        )

    def test_missing(self) -> None:
        """
        Where an answer or an offer has to be, its lack is told.
        """
        self.assertMeanings("INVITE+ 200", OFFER, MISSING)
        self.assertMeanings("INVITE 200", NOTHING, MISSING)
        self.assertMeanings("INVITE 200+ ACK", NOTHING, OFFER, MISSING)
        self.assertMeanings("INVITE 183r+ PRACK", NOTHING, OFFER, MISSING)
        self.assertMeanings("INVITE+ 200+ UPDATE+ 200", OFFER, ANSWER, OFFER, MISSING)
        self.assertMeanings("INVITE 183r", NOTHING, NOTHING)

    def test_misplaced(self) -> None:
        """
        A description where there may be none is ignored.
        """
        self.assertMeanings("INVITE 183+", NOTHING, MISPLACED)
        self.assertMeanings("INVITE+ 200+ ACK+", OFFER, ANSWER, MISPLACED)
        self.assertMeanings(
            "INVITE+ 200+ INFO+ 200+", OFFER, ANSWER, MISPLACED, MISPLACED
        )
        self.assertMeanings(
            "INVITE+ 200+ UPDATE 200+", OFFER, ANSWER, NOTHING, MISPLACED
        )

    def test_unfinished(self) -> None:
        """
        Whose offer waits can be seen.
        """
        self.assertMeanings("INVITE+", OFFER, state="Our offer")
        self.assertMeanings("INVITE 200+", NOTHING, OFFER, state="Their offer")


class RefusalTests(SynchronousTestCase):
    """
    Offers at the wrong time (RFC 3261 section 14.2, RFC 3311 section 5.2).
    """

    def test_crossed(self) -> None:
        """
        An offer that arrives while ours waits is answered 491; nothing changes,
        and ours is answered after.
        """
        for theirs in ("<INVITE+", "<UPDATE+", "<PRACK+", "<INVITE"):
            books = OfferAnswer()
            verdicts = play(books, True, "INVITE+", "200+", "UPDATE+", theirs)
            self.assertEqual(verdicts[-1], CROSSED)
            self.assertEqual(CROSSED.status, 491)
            answer = books.responseReceived(b"UPDATE", 200, described=True)
            self.assertEqual(answer, ANSWER)

    def test_impatient(self) -> None:
        """
        One that arrives while theirs waits is answered 500 with Retry-After.
        """
        for theirs in ("<INVITE+", "<UPDATE+", "<INVITE"):
            books = OfferAnswer()
            verdicts = play(books, True, "INVITE+", "200+", "<UPDATE+", theirs)
            self.assertEqual(verdicts[-1], Refusal(500, retryAfter=True))
            answer = books.responseSent(b"UPDATE", 200, described=True)
            self.assertEqual(answer, ANSWER)

    def test_oursMustWait(self) -> None:
        """
        The same is told of what we are about to send.
        """
        books = OfferAnswer()
        play(books, True, "INVITE+", "200+", "<UPDATE+")
        self.assertEqual(books.requestSent(b"UPDATE", described=True), CROSSED)
        books = OfferAnswer()
        play(books, True, "INVITE+", "200+", "UPDATE+")
        self.assertEqual(books.requestSent(b"INVITE", described=True), IMPATIENT)
        self.assertEqual(books.requestSent(b"INVITE", described=False), IMPATIENT)

    def test_ownResponse(self) -> None:
        """
        Nobody answers the INVITE that he sent.
        """
        books = OfferAnswer()
        play(books, True, "INVITE+")
        self.assertEqual(books.responseSent(b"INVITE", 200, described=True), MISPLACED)
        self.assertEqual(books.state, "Our offer")


class ForkTests(SynchronousTestCase):
    """
    Each dialog of a forked INVITE has its own answer.
    """

    def test_offerWaitsInEach(self) -> None:
        """
        The offer of the INVITE is answered in each dialog.
        """
        one = OfferAnswer()
        play(one, True, "INVITE+", "183r+")
        two = one.forked()
        self.assertEqual((one.state, two.state), ("Stable", "Our offer"))
        self.assertEqual(two.responseReceived(b"INVITE", 200, described=True), ANSWER)

    def test_offersFromEach(self) -> None:
        """
        Without an offer in the INVITE each side that answers makes one.
        """
        one = OfferAnswer()
        play(one, True, "INVITE", "183r+")
        two = one.forked()
        self.assertEqual(two.responseReceived(b"INVITE", 200, described=True), OFFER)
        self.assertEqual(two.requestSent(b"ACK", described=True), ANSWER)


class ExchangeTests(SynchronousTestCase):
    """
    The machine under it.
    """

    def test_everythingIsAnsweredInEveryState(self) -> None:
        """
        No input is an unknown transition, whenever it comes.
        """
        self.assertEqual(unanswered(_machine, inputs(_machine)), set())

    @given(
        st.lists(
            st.tuples(
                st.booleans(),
                st.sampled_from(
                    [b"INVITE", b"ACK", b"PRACK", b"UPDATE", b"INFO", b"BYE"]
                ),
                st.sampled_from([0, 100, 183, 200, 491]),
                st.booleans(),
                st.booleans(),
            ),
            max_size=20,
        )
    )
    def test_anySequence(
        self, steps: list[tuple[bool, bytes, int, bool, bool]]
    ) -> None:
        """
        Whatever is sent and received, there is a verdict, and the carrier of an
        offer is known exactly while one waits.
        """
        books = OfferAnswer()
        for ours, method, status, described, reliable in steps:
            verdict: Verdict
            if status:
                answer = books.responseSent if ours else books.responseReceived
                verdict = answer(method, status, described, reliable)
            else:
                ask = books.requestSent if ours else books.requestReceived
                verdict = ask(method, described)
            self.assertIsInstance(verdict, (Meaning, Refusal))
            self.assertEqual(books.carrier == b"", books.mayOffer)
            if verdict in (OFFER, ANSWER, EARLY):
                self.assertTrue(described)
