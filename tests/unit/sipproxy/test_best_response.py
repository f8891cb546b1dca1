"""
L{sipcluster.sipproxy.best_response}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.message import makeResponse
from sipcluster.sipproxy.best_response import BestResponse, rank
from tests.unit.sipproxy.samples import request

INVITE = request()


class BestResponseTests(SynchronousTestCase):
    """
    RFC 3261 section 16.7 step 6.
    """

    def test_ranks(self) -> None:
        """
        A 6xx before all, then the lowest class; within one those first that
        say how to do better, and last those that say nothing of the callee.
        """
        order = [600, 302, 401, 486, 408, 500, 503]
        self.assertEqual(sorted(sorted(order), key=rank), order)

    def choose(self, *statuses: int) -> int:
        """
        What is chosen of peers' responses.
        """
        best = BestResponse()
        for status in statuses:
            best.offer(status, makeResponse(INVITE, status))
        return best.choose(INVITE, b"t").status

    def test_firstOfEqualOnes(self) -> None:
        """
        Of equal ones the first counts.
        """
        self.assertEqual(self.choose(486, 404), 486)
        self.assertEqual(self.choose(480, 404), 404)
        self.assertEqual(self.choose(404, 604, 302), 604)

    def test_unavailable(self) -> None:
        """
        A 503 becomes 500, unless it is true of every request.
        """
        self.assertEqual(self.choose(503), 500)
        best = BestResponse()
        best.offer(
            503, makeResponse(INVITE, 503, headers=[(b"Retry-After", b"9")]), True
        )
        self.assertEqual(best.choose(INVITE, b"t").headers.first(b"Retry-After"), b"9")

    def test_ours(self) -> None:
        """
        One of our own making has a tag, and a 503 says when to try again.
        """
        best = BestResponse()
        best.offer(503, None, True)
        response = best.choose(INVITE, b"tag")
        self.assertEqual((response.status, response.toTag), (503, b"tag"))
        self.assertTrue(response.headers.first(b"Retry-After"))

    def test_oneChallenge(self) -> None:
        """
        A single challenge stays as it is.
        """
        challenge = makeResponse(
            INVITE, 401, headers=[(b"WWW-Authenticate", b"Digest a")]
        )
        best = BestResponse()
        best.offer(401, challenge)
        self.assertIs(best.choose(INVITE, b"t"), challenge)

    def test_challengesOfAll(self) -> None:
        """
        Those of all are put into the best one; not into one that is none.
        """
        best = BestResponse()
        for realm in (b"a", b"b", b"c"):
            field = (b"WWW-Authenticate", b"Digest realm=" + realm)
            best.offer(401, makeResponse(INVITE, 401, headers=[field]))
        chosen = best.choose(INVITE, b"t")
        self.assertEqual(len(chosen.headers.all(b"WWW-Authenticate")), 3)
        best.offer(603, makeResponse(INVITE, 603))
        self.assertNotIn(b"WWW-Authenticate", best.choose(INVITE, b"t").headers)
