"""
Tests for L{sipcluster.sip.digest}.
"""

from __future__ import annotations

import hashlib
import os

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.auth import AuthValue
from sipcluster.sip.digest import ALGORITHMS, Challenger, Verdict, authorize, ha1
from sipcluster.sip.errors import MalformedMessage

REALM = b"lab.example"
URI = b"sip:lab.example"


def md5(text: bytes) -> bytes:
    """
    MD5 in hexadecimal.
    """
    return hashlib.md5(text).hexdigest().encode()


class VectorTests(SynchronousTestCase):
    """
    The examples of the RFCs.
    """

    CNONCE = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    NONCE = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"

    def response(self, algorithm: bytes, qop: bytes = b"auth") -> bytes:
        """
        What the client of RFC 7616 section 3.9.1 says.
        """
        challenge = AuthValue(
            b"digest",
            {
                b"realm": b"http-auth@example.org",
                b"qop": qop,
                b"algorithm": algorithm,
                b"nonce": self.NONCE,
                b"opaque": b"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
            },
        )
        value = authorize(
            [challenge.render()],
            b"GET",
            b"/dir/index.html",
            b"Mufasa",
            b"Circle of Life",
            cnonce=self.CNONCE,
        )
        given = AuthValue.parse(value)
        self.assertEqual(given.get(b"opaque")[:4], b"FQhe")
        self.assertEqual(given.get(b"nc"), b"00000001")
        return given.get(b"response")

    def test_md5(self) -> None:
        """
        RFC 7616 section 3.9.1, MD5.
        """
        self.assertEqual(self.response(b"MD5"), b"8ca523f5e9506fed4657c9700eebdbec")

    def test_sha256(self) -> None:
        """
        RFC 7616 section 3.9.1, SHA-256, which is preferred when both are
        offered.
        """
        self.assertEqual(
            self.response(b"SHA-256", b"auth, auth-int"),
            b"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        )

    def test_withoutQop(self) -> None:
        """
        RFC 2617 section 3.5 as RFC 2069 has it: no qop, no algorithm.
        """
        challenge = (
            b'Digest realm="testrealm@host.com", '
            b'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
        )
        value = authorize(
            [challenge], b"GET", b"/dir/index.html", b"Mufasa", b"Circle Of Life"
        )
        given = AuthValue.parse(value)
        self.assertNotIn(b"qop", given.parameters)
        self.assertNotIn(b"cnonce", given.parameters)
        self.assertNotIn(b"algorithm", given.parameters)
        self.assertEqual(given.get(b"response"), b"670fd8c2df070c60b045671b8b24ff02")

    def test_ha1(self) -> None:
        """
        An HA1 is a hash of user, realm and password.
        """
        self.assertEqual(
            ha1("MD5", b"Mufasa", b"testrealm@host.com", b"Circle Of Life"),
            b"939e7578ed9e3c518a452acee763bce9",
        )
        self.assertEqual(len(ha1("SHA-512-256", b"a", b"b", b"c")), 64)


class AuthorizeTests(SynchronousTestCase):
    """
    What a client makes of what it is asked.
    """

    def test_strongestFirst(self) -> None:
        """
        Of several challenges the strongest is answered, in whatever order they
        come.
        """
        challenges = [
            b'Digest realm="r", nonce="n", algorithm=%b, qop="auth"' % name.encode()
            for name in ("MD5", "SHA-512-256", "SHA-256")
        ]
        value = authorize(challenges, b"REGISTER", URI, b"a", b"b")
        self.assertIn(b"algorithm=SHA-512-256", value)

    def test_integrity(self) -> None:
        """
        Where only auth-int is offered, the body counts.
        """
        challenge = b'Digest realm="r", nonce="n", qop="auth-int"'
        values = [
            authorize([challenge], b"INVITE", URI, b"a", b"b", 1, b"c", body)
            for body in (b"", b"body")
        ]
        self.assertIn(b"qop=auth-int", values[0])
        self.assertNotEqual(values[0], values[1])

    def test_nothingToAnswer(self) -> None:
        """
        Other schemes and algorithms cannot be answered.
        """
        for challenges in (
            [],
            [b"Bearer x"],
            [b'Digest realm="r", nonce="n", algorithm=MD4'],
        ):
            with self.assertRaises(MalformedMessage):
                authorize(challenges, b"REGISTER", URI, b"a", b"b")


class ChallengerTests(SynchronousTestCase):
    """
    L{Challenger} lets in who knows the password, once for each count.
    """

    def setUp(self) -> None:
        self.now = 1000000.0
        self.users = {b"1001": b"secret-1001", b'a "b" \\c': b"x"}
        self.challenger = self.make()

    def make(
        self,
        secret: bytes = b"s" * 32,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        limit: int = 100,
    ) -> Challenger:
        """
        A challenger on the clock of this test.
        """
        return Challenger(
            REALM, secret, lambda: self.now, os.urandom, algorithms, 300.0, limit
        )

    def ha1For(self, user: bytes, realm: bytes, algorithm: str) -> bytes | None:
        password = self.users.get(user)
        return None if password is None else ha1(algorithm, user, realm, password)

    def answer(
        self,
        challenges: list[bytes],
        user: bytes = b"1001",
        password: bytes = b"secret-1001",
        count: int = 1,
        uri: bytes = URI,
    ) -> bytes:
        """
        Credentials for challenges.
        """
        return authorize(challenges, b"REGISTER", uri, user, password, count)

    def check(
        self, value: bytes, challenger: Challenger | None = None, uri: bytes = URI
    ) -> Verdict:
        """
        A challenger's verdict.
        """
        return (challenger or self.challenger).check(
            b"REGISTER", uri, value, self.ha1For
        )

    def test_rightPassword(self) -> None:
        """
        The right password is good with every algorithm.
        """
        for algorithm in ALGORITHMS:
            challenger = self.make(algorithms=(algorithm,))
            verdict = self.check(self.answer(challenger.challenges()), challenger)
            self.assertEqual(verdict, Verdict(True, False, b"1001", ""))

    def test_atTheBeginningOfTime(self) -> None:
        """
        A clock that begins at 0, as in a simulation, makes no nonce stale.
        """
        self.now = 0.0
        verdict = self.check(self.answer(self.challenger.challenges()))
        self.assertEqual(verdict, Verdict(True, False, b"1001", ""))

    def test_inTheOrderGiven(self) -> None:
        """
        There is one challenge for each algorithm, in the order in which they
        were given (RFC 8760 section 2.4).
        """
        challenger = self.make(algorithms=("SHA-512-256", "MD5", "SHA-256", "MD5"))
        values = [AuthValue.parse(value) for value in challenger.challenges()]
        self.assertEqual(
            [value.get(b"algorithm") for value in values],
            [b"SHA-512-256", b"MD5", b"SHA-256"],
        )
        for value in values:
            self.assertEqual(value.get(b"realm"), REALM)
            self.assertEqual(value.get(b"qop"), b"auth")
            self.assertNotIn(b"stale", value.parameters)
        stale = AuthValue.parse(challenger.challenges(stale=True)[0])
        self.assertEqual(stale.get(b"stale"), b"true")

    def test_unknownAlgorithm(self) -> None:
        """
        A challenger is not made with an algorithm that is unknown, or none.
        """
        for algorithms in (("MD4",), ("MD5", "SHA-1"), ()):
            with self.assertRaises(ValueError):
                self.make(algorithms=algorithms)

    def test_wrongPassword(self) -> None:
        """
        A wrong password, or a user that does not exist, is refused, and is not
        told that its nonce is stale.
        """
        challenges = self.challenger.challenges()
        for value, why in (
            (self.answer(challenges, password=b"x"), "wrong password"),
            (self.answer(challenges, user=b"1002"), "no such user"),
            (self.answer(challenges).replace(b'response="', b'response="0'), "wrong"),
        ):
            verdict = self.check(value)
            self.assertEqual((verdict.ok, verdict.stale), (False, False))
            self.assertIn(why, verdict.why)

    def test_oddUsername(self) -> None:
        """
        A user name may hold what must be escaped.
        """
        value = self.answer(self.challenger.challenges(), b'a "b" \\c', b"x")
        self.assertEqual(self.check(value).username, b'a "b" \\c')
        self.assertTrue(self.check(value).stale)

    def test_extendedUsername(self) -> None:
        """
        A user name may come in the notation of RFC 5987 (RFC 7616 section
        3.4).
        """
        value = self.answer(self.challenger.challenges())
        for spelled, ok in (
            (b"username*=UTF-8''%31001", True),
            (b"username*=x", False),
        ):
            verdict = self.check(value.replace(b'username="1001"', spelled))
            self.assertEqual(verdict.ok, ok)

    def test_countOnce(self) -> None:
        """
        Each nonce count is good once, in any order within a window; one that
        comes again is asked for another nonce.
        """
        challenges = self.challenger.challenges()
        for count, ok in (
            (1, True),
            (1, False),
            (3, True),
            (2, True),
            (2, False),
            (3, False),
            (100, True),
            (100 - 64, True),
            (100 - 65, False),
            (99, True),
            (99, False),
            (36, False),
            (5000, True),
            (5000 - 64, True),
            (5000 - 1, True),
            (100, False),
        ):
            verdict = self.check(self.answer(challenges, count=count))
            self.assertEqual(verdict.ok, ok, count)
            self.assertEqual(verdict.stale, not ok)

    def test_badCounts(self) -> None:
        """
        A count that is none is not good.
        """
        challenges = self.challenger.challenges()
        for count in (b"", b"x", b"00000000", b"000000001", b"-0000001"):
            parameters = {
                b"username": b"1001",
                b"realm": REALM,
                b"nonce": AuthValue.parse(challenges[1]).get(b"nonce"),
                b"uri": URI,
                b"qop": b"auth",
                b"nc": count,
                b"cnonce": b"x",
            }
            secret = ha1("MD5", b"1001", REALM, b"secret-1001")
            parts = (secret, parameters[b"nonce"], count, b"x", b"auth")
            ha2 = md5(b"REGISTER:" + URI)
            parameters[b"response"] = md5(b":".join([*parts, ha2]))
            verdict = self.check(AuthValue(b"digest", parameters).render())
            self.assertEqual((verdict.ok, verdict.stale), (False, True), count)

    def test_otherNodes(self) -> None:
        """
        A nonce of one node is good at another with the same secret; of one with
        another secret it is stale.
        """
        value = self.answer(self.challenger.challenges())
        self.assertTrue(self.check(value, self.make()).ok)
        verdict = self.check(value, self.make(secret=b"t" * 32))
        self.assertEqual((verdict.ok, verdict.stale), (False, True))

    def test_expired(self) -> None:
        """
        A nonce is good for its lifetime, then stale; one of a node whose clock
        is a little ahead is good.
        """
        value = self.answer(self.challenger.challenges())
        self.now -= 10
        self.assertTrue(self.check(value, self.make()).ok)
        self.now += 310
        self.assertTrue(self.check(value).ok)
        self.now += 1
        verdict = self.check(value, self.make())
        self.assertEqual((verdict.ok, verdict.stale), (False, True))
        self.assertEqual(verdict.why, "nonce too old")

    def test_forgedNonces(self) -> None:
        """
        A nonce that was not made here is stale, whatever it looks like.
        """
        nonce = AuthValue.parse(self.challenger.challenges()[0]).get(b"nonce")
        for forged in (
            b"",
            b"x",
            b"\xff" * 60,
            nonce[:-1],
            nonce + b"0",
            nonce[:11] + b"z" + nonce[12:],
        ):
            challenge = b'Digest realm="%b", nonce="%b", qop="auth"' % (REALM, forged)
            verdict = self.check(self.answer([challenge]))
            self.assertEqual((verdict.ok, verdict.stale), (False, True))

    def test_notOurs(self) -> None:
        """
        Credentials for another realm, of another scheme, with an algorithm or
        quality that was not offered, or for another URI, are refused.
        """
        value = self.answer(self.challenger.challenges())
        strong = self.make(algorithms=("SHA-512-256",))
        for bad, why in (
            (value.replace(REALM, b"elsewhere", 1), "another realm"),
            (b"Bearer x", "not digest"),
            (b'Digest "', "unclosed quoted string"),
            (self.answer(strong.challenges()), "algorithm not offered"),
            (value.replace(b"SHA-256", b"MD4"), "algorithm not offered"),
            (value.replace(b"qop=auth", b"qop=x"), "qop not offered"),
            (value.replace(b"qop=auth", b"q=auth"), "qop not offered"),
            (self.answer(self.challenger.challenges(), uri=b"x"), "another Req"),
            (self.answer(self.challenger.challenges(), uri=b"tel:1"), "another Req"),
        ):
            verdict = self.check(bad)
            self.assertEqual((verdict.ok, verdict.stale), (False, False), why)
            self.assertIn(why, verdict.why)

    def test_lenientURI(self) -> None:
        """
        The URI of the credentials may differ from the Request-URI in host, port
        and parameters, and have no user, as it does with real phones; a user of
        its own must be the one who is called.
        """
        for uri in (
            b"sip:LAB.example:5060",
            b"sip:lab.example;transport=UDP",
            b"sip:192.0.2.11:5060",
            b"sip:100%32@192.0.2.11",
        ):
            value = self.answer(self.challenger.challenges(), uri=uri)
            self.assertTrue(self.check(value, uri=b"sip:1002@lab.example").ok)
        value = self.answer(self.challenger.challenges(), uri=b"sip:1001@lab.example")
        self.assertFalse(self.check(value, uri=b"sip:1002@lab.example").ok)
        value = self.answer(self.challenger.challenges(), uri=b"tel:+1-2")
        self.assertTrue(self.check(value, uri=b"tel:+12").ok)

    def test_withoutQop(self) -> None:
        """
        A client of RFC 2069 is served with MD5, once for each nonce.
        """
        challenge = self.challenger.challenges()[1].replace(b', qop="auth"', b"")
        value = self.answer([challenge])
        self.assertNotIn(b"qop", value)
        self.assertTrue(self.check(value).ok)
        self.assertTrue(self.check(value).stale)
        challenge = self.challenger.challenges()[0].replace(b', qop="auth"', b"")
        self.assertEqual(self.check(self.answer([challenge])).why, "qop not offered")

    def test_noQopAfterQop(self) -> None:
        """
        A nonce that was used with a count is not good without, nor the reverse.
        """
        with_ = self.challenger.challenges()[1]
        without = with_.replace(b', qop="auth"', b"")
        self.assertTrue(self.check(self.answer([with_])).ok)
        self.assertTrue(self.check(self.answer([without])).stale)
        with_ = self.challenger.challenges()[1]
        without = with_.replace(b', qop="auth"', b"")
        self.assertTrue(self.check(self.answer([without])).ok)
        self.assertTrue(self.check(self.answer([with_])).stale)
        self.assertTrue(self.check(self.answer([with_], count=0x7FFFFFFF)).stale)

    def test_boundedMemory(self) -> None:
        """
        Only so many nonces are remembered; what is older than one that was
        forgotten is stale rather than good a second time.
        """
        challenger = self.make(limit=10)
        values = []
        for _ in range(50):
            self.now += 0.01
            values.append(self.answer(challenger.challenges()))
            self.assertTrue(self.check(values[-1], challenger).ok)
        self.assertEqual(len(challenger._used), 10)
        for value in values:
            self.assertTrue(self.check(value, challenger).stale)
        self.now += 1000
        for _ in range(6):
            self.now += 0.01
            self.assertTrue(
                self.check(self.answer(challenger.challenges()), challenger).ok
            )
        self.assertEqual(len(challenger._used), 6)

    def test_severalCredentials(self) -> None:
        """
        Of the credentials in a request the good ones count, then stale ones.
        """
        challenges = self.challenger.challenges()
        good = self.answer(challenges)
        other = good.replace(REALM, b"elsewhere", 1)

        def verdict(*values: bytes) -> Verdict:
            return self.challenger.checkAll(b"REGISTER", URI, values, self.ha1For)

        self.assertTrue(verdict(other, good).ok)
        self.assertTrue(verdict(good, other).stale)
        self.assertTrue(verdict(other, good).stale)
        self.assertEqual(verdict(other).why, "another realm")
        self.assertEqual(verdict().why, "no credentials")
        fresh = self.answer(challenges, count=2)
        self.assertFalse(verdict(*[other] * 100, fresh).ok)

    def test_noSecretsInVerdicts(self) -> None:
        """
        A verdict tells neither password nor hash.
        """
        value = self.answer(self.challenger.challenges(), password=b"hidden")
        response = AuthValue.parse(value).get(b"response").decode()
        text = repr(self.check(value))
        self.assertNotIn("hidden", text)
        self.assertNotIn(response, text)
