"""
What one REGISTER asks for, is granted, and changes.
"""

from __future__ import annotations

import contextlib
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.registrar.iregistrar import ALL, Binding
from sipcluster.registrar.register import (
    Lifetimes,
    Place,
    StaleRegister,
    Update,
    contactOf,
    grant,
    update,
    wishes,
)
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.headers import Headers
from sipcluster.sip.message import Request, Response, makeResponse
from sipcluster.testing.registration_contract import AOR, EPOCH, binding

PLACE = Place("proxy1", b"token", "TLS", ("198.51.100.7", 4711))


def register(*contacts: bytes, cseq: int = 1826, **fields: Any) -> Request:
    """
    Bob's REGISTER, as in RFC 3665 section 2.1.

    @param fields: further header fields, underscores for hyphens.
    """
    pairs = [
        (b"Via", b"SIP/2.0/UDP bobspc.biloxi.example.com:5060;branch=z9hG4bKnashds7"),
        (b"Max-Forwards", b"70"),
        (b"From", b"Bob <sip:bob@biloxi.example.com>;tag=a73kszlfl"),
        (b"To", b"Bob <sip:bob@biloxi.example.com>"),
        (b"Call-ID", b"843817637684230@998sdasdh09"),
        (b"CSeq", b"%d REGISTER" % cseq),
        *((b"Contact", contact) for contact in contacts),
        *((name.replace("_", "-").encode(), value) for name, value in fields.items()),
    ]
    return Request(b"REGISTER", b"sip:biloxi.example.com", Headers.of(*pairs))


def answered(request: Request) -> Response:
    """
    The 200 of a node.
    """
    status, headers = grant(request, Lifetimes())
    return makeResponse(request, status, headers=headers)


def updated(request: Request, *current: Binding) -> Update:
    """
    What a REGISTER that a node granted changes.
    """
    return update(request, answered(request), AOR, current, PLACE, EPOCH)


class WishesTests(SynchronousTestCase):
    """
    Reading a REGISTER.
    """

    def seconds(self, *contacts: bytes, **fields: Any) -> list[int | None]:
        """
        How long each contact is wanted.
        """
        asked = wishes(register(*contacts, **fields))
        return [each.seconds for each in asked.contacts]

    def test_nothing(self) -> None:
        """
        A REGISTER without Contact asks for nothing, whatever its Expires says.
        """
        asked = wishes(register(Expires=b"60"))
        self.assertEqual((asked.contacts, asked.everythingGone), ((), False))

    def test_parameterBeforeHeader(self) -> None:
        """
        C{expires} of a Contact counts before Expires, and that before nothing.
        """
        self.assertEqual(
            self.seconds(
                b"<sip:bob@192.0.2.4>;expires=90", b"<sip:bob@192.0.2.5>", Expires=b"60"
            ),
            [90, 60],
        )
        self.assertEqual(self.seconds(b"<sip:bob@192.0.2.4>"), [None])

    def test_badLifetime(self) -> None:
        """
        A lifetime that is no number counts as one hour.
        """
        self.assertEqual(self.seconds(b"<sip:bob@192.0.2.4>;expires=soon"), [3600])
        self.assertEqual(self.seconds(b"<sip:bob@192.0.2.4>", Expires=b"-1"), [3600])

    def test_severalInOneField(self) -> None:
        """
        Contacts separated by commas are several.
        """
        self.assertEqual(
            self.seconds(b"<sip:a@192.0.2.4>;expires=1, <sip:b@192.0.2.4>;expires=2"),
            [1, 2],
        )

    def test_star(self) -> None:
        """
        C{*} with Expires 0 removes everything.
        """
        self.assertTrue(wishes(register(b"*", Expires=b"0")).everythingGone)

    def test_badStar(self) -> None:
        """
        C{*} with another lifetime, none, or another contact is refused with
        400.
        """
        for request in (
            register(b"*"),
            register(b"*", Expires=b"60"),
            register(b"*", b"<sip:bob@192.0.2.4>", Expires=b"0"),
        ):
            error = self.assertRaises(MalformedMessage, wishes, request)
            self.assertEqual(error.status, 400)

    def test_notSIP(self) -> None:
        """
        A contact that nobody can route to is refused.
        """
        for contact in (b"<tel:+1-201-555-0123>", b"<mailto:bob@example.com>"):
            self.assertRaises(MalformedMessage, wishes, register(contact))

    def test_twice(self) -> None:
        """
        The same contact twice is refused: which would count?
        """
        request = register(b"<sip:bob@192.0.2.4>;q=1", b"<sip:bob@192.0.2.4>;q=0.1")
        self.assertRaises(MalformedMessage, wishes, request)

    def test_tooMany(self) -> None:
        """
        More contacts than may be bound are refused with 403.
        """
        request = register(*(b"<sip:bob@192.0.2.%d>" % n for n in range(11)))
        error = self.assertRaises(MalformedMessage, wishes, request)
        self.assertEqual(error.status, 403)

    @given(st.binary(max_size=60))
    def test_anythingAtAll(self, junk: bytes) -> None:
        """
        Whatever a Contact holds, it is read or refused.
        """
        request = register(junk.replace(b"\r", b"").replace(b"\n", b""))
        with contextlib.suppress(MalformedMessage):
            wishes(request)


class GrantTests(SynchronousTestCase):
    """
    What a node answers.
    """

    def granted(self, *contacts: bytes, **fields: Any) -> list[bytes]:
        """
        Contacts of the 200.
        """
        status, headers = grant(register(*contacts, **fields), Lifetimes(60, 3600, 600))
        self.assertEqual(status, 200)
        return headers.all(b"Contact")

    def test_withinBounds(self) -> None:
        """
        What is asked is granted up to the maximum; who does not say gets the
        default; the contact is given back with its parameters.
        """
        self.assertEqual(
            self.granted(
                b"<sip:a@192.0.2.4>;expires=90;q=0.5",
                b"<sip:b@192.0.2.4>;expires=86400",
                b"<sip:c@192.0.2.4>",
            ),
            [
                b"<sip:a@192.0.2.4>;expires=90;q=0.5",
                b"<sip:b@192.0.2.4>;expires=3600",
                b"<sip:c@192.0.2.4>;expires=600",
            ],
        )

    def test_tooBrief(self) -> None:
        """
        A lifetime below the minimum is answered 423, with the minimum; nothing
        of that REGISTER is granted.
        """
        request = register(b"<sip:a@192.0.2.4>;expires=3600", b"<sip:b@192.0.2.4>")
        request = request.replacing(headers=request.headers.append(b"Expires", b"59"))
        status, headers = grant(request, Lifetimes())
        self.assertEqual(status, 423)
        self.assertEqual(list(headers), [(b"Min-Expires", b"60")])

    def test_removal(self) -> None:
        """
        A lifetime of 0 is no lifetime too short: the contact is left out.
        """
        self.assertEqual(self.granted(b"<sip:a@192.0.2.4>", Expires=b"0"), [])
        self.assertEqual(self.granted(b"*", Expires=b"0"), [])

    def test_path(self) -> None:
        """
        The 200 carries the Path of the REGISTER (RFC 3327 section 5.3).
        """
        request = register(b"<sip:a@192.0.2.4>", Path=b"<sip:p1;lr>, <sip:p2;lr>")
        _, headers = grant(request, Lifetimes())
        self.assertEqual(headers.all(b"Path"), [b"<sip:p1;lr>", b"<sip:p2;lr>"])


class UpdateTests(SynchronousTestCase):
    """
    What a proxy makes of it.
    """

    def test_first(self) -> None:
        """
        A first registration makes a binding of all that the Contact says and
        the proxy knows.
        """
        request = register(
            b'"Bob" <sip:bob@192.0.2.4:5070;transport=TLS>;q=0.5;expires=120'
            b';+sip.instance="<urn:uuid:1>";reg-id=2;methods="INVITE, BYE"',
            Path=b"<sip:p1;lr>",
            User_Agent=b"phone/1",
        )
        self.assertEqual(
            updated(request),
            Update(
                (
                    Binding(
                        contact=b"sip:bob@192.0.2.4:5070;transport=TLS",
                        aor=AOR,
                        callID=b"843817637684230@998sdasdh09",
                        cseq=1826,
                        expiresAt=EPOCH + 120,
                        q=0.5,
                        instance=b"urn:uuid:1",
                        path=(b"<sip:p1;lr>",),
                        proxy="proxy1",
                        flow=b"token",
                        transport="TLS",
                        received=("198.51.100.7", 4711),
                        userAgent=b"phone/1",
                        contactParameters=b';methods="INVITE, BYE"',
                        regID=2,
                        updatedAt=EPOCH,
                    ),
                ),
            ),
        )

    def test_query(self) -> None:
        """
        A REGISTER without Contact changes nothing.
        """
        self.assertTrue(updated(register(), binding()).empty)

    def test_grantCounts(self) -> None:
        """
        The lifetime is what the node granted, not what was asked; without an
        C{expires} of its own, that of Expires.
        """
        request = register(b"<sip:bob@192.0.2.4>;expires=86400")
        (change,) = updated(request).changes
        self.assertEqual(change.expiresAt, EPOCH + 3600)
        response = makeResponse(
            request,
            200,
            headers=[(b"Contact", b"<sip:bob@192.0.2.4>"), (b"Expires", b"77")],
        )
        (change,) = update(request, response, AOR, (), PLACE, EPOCH).changes
        self.assertEqual(change.expiresAt, EPOCH + 77)
        response = response.replacing(headers=response.headers.remove(b"Expires"))
        (change,) = update(request, response, AOR, (), PLACE, EPOCH).changes
        self.assertEqual(change.expiresAt, EPOCH + 3600)

    def test_notGranted(self) -> None:
        """
        A contact that the node left out is not bound, even if it was.
        """
        request = register(b"<sip:bob@192.0.2.4>")
        response = makeResponse(request, 200)
        self.assertEqual(
            update(request, response, AOR, [binding()], PLACE, EPOCH),
            Update((), (b"sip:bob@192.0.2.4",)),
        )

    def test_removed(self) -> None:
        """
        A contact with a lifetime of 0 is removed, and others stay.
        """
        made = updated(
            register(b"<sip:bob@192.0.2.4>;expires=0", b"<sip:bob@192.0.2.5>"),
            binding(),
            binding(b"192.0.2.6"),
        )
        self.assertEqual(made.removed, (b"sip:bob@192.0.2.4",))
        self.assertEqual([c.contact for c in made.changes], [b"sip:bob@192.0.2.5"])

    def test_everything(self) -> None:
        """
        C{*} removes everything.
        """
        made = updated(register(b"*", Expires=b"0"), binding())
        self.assertEqual(made, Update((), ALL))
        self.assertFalse(made.empty)

    def test_equivalentContact(self) -> None:
        """
        A contact that is spelled otherwise but is the same (RFC 3261 section
        19.1.4) takes the place of the old one.
        """
        made = updated(
            register(b"<sip:%62ob@PC.example.com;x=1>", cseq=1827),
            binding(b"pc.example.com"),
        )
        self.assertEqual(made.removed, (b"sip:bob@pc.example.com",))
        (change,) = made.changes
        self.assertEqual(change.contact, b"sip:%62ob@PC.example.com;x=1")

    def test_equivalentIsRemoved(self) -> None:
        """
        Removing an equivalent contact removes what is stored.
        """
        made = updated(
            register(b"<sip:bob@PC.example.com>;expires=0", cseq=1827),
            binding(b"pc.example.com"),
        )
        self.assertEqual(made.removed, (b"sip:bob@pc.example.com",))

    def test_deviceThatMoved(self) -> None:
        """
        A device that comes from another address replaces its binding, without
        a removal: it has the same identity.
        """
        old = binding(b"192.0.2.4", instance=b"urn:uuid:1")
        made = updated(
            register(b'<sip:bob@192.0.2.9>;+sip.instance="<urn:uuid:1>"', cseq=1827),
            old,
        )
        self.assertEqual(made.removed, ())
        self.assertEqual(made.changes[0].identity, old.identity)

    def test_deviceThatGoes(self) -> None:
        """
        A device that removes itself from another address is removed.
        """
        old = binding(b"192.0.2.4", instance=b"urn:uuid:1")
        request = register(
            b'<sip:bob@192.0.2.9>;expires=0;+sip.instance="<urn:uuid:1>"', cseq=1827
        )
        self.assertEqual(updated(request, old).removed, (b"sip:bob@192.0.2.4",))

    def test_contactThatGetsAnInstance(self) -> None:
        """
        A contact that was bound without instance is not bound twice.
        """
        made = updated(
            register(b'<sip:bob@192.0.2.4>;+sip.instance="<urn:uuid:1>"', cseq=1827),
            binding(),
        )
        self.assertEqual(made.removed, (b"sip:bob@192.0.2.4",))

    def test_severalContactsOfOneDevice(self) -> None:
        """
        Two contacts of one instance without C{reg-id} are two bindings.
        """
        made = updated(
            register(
                b'<sip:bob@192.0.2.4>;+sip.instance="<urn:uuid:1>"',
                b'<sip:bob@192.0.2.4;transport=tcp>;+sip.instance="<urn:uuid:1>"',
            )
        )
        self.assertEqual(len({change.identity for change in made.changes}), 2)

    def test_order(self) -> None:
        """
        A REGISTER that comes after a later one of its Call-ID is refused with
        500; so is a late C{*}, and a late removal.
        """
        stored = binding(cseq=1900)
        for request in (
            register(b"<sip:bob@192.0.2.4>"),
            register(b"<sip:bob@192.0.2.4>;expires=0"),
            register(b"*", Expires=b"0"),
        ):
            error = self.assertRaises(StaleRegister, updated, request, stored)
            self.assertEqual(error.status, 500)

    def test_orderOfOthers(self) -> None:
        """
        The order counts within one Call-ID and for the contact that is meant;
        an equal CSeq is the same REGISTER again.
        """
        request = register(b"<sip:bob@192.0.2.4>")
        updated(request, binding(cseq=1900, callID=b"other"))
        updated(request, binding(b"192.0.2.5", cseq=1900))
        updated(request, binding(cseq=1826))

    def test_badRegID(self) -> None:
        """
        A C{reg-id} that is no number is none; a great one is cut.
        """
        for value, expected in ((b"x", 0), (b"9" * 40, 0), (b"9" * 10, 2**31 - 1)):
            (change,) = updated(
                register(b"<sip:bob@192.0.2.4>;reg-id=" + value)
            ).changes
            self.assertEqual(change.regID, expected)

    def test_longWords(self) -> None:
        """
        What a device says of itself is kept within a bound.
        """
        (change,) = updated(
            register(b"<sip:bob@192.0.2.4>;x=" + b"y" * 5000, User_Agent=b"z" * 5000)
        ).changes
        self.assertEqual((change.contactParameters, len(change.userAgent)), (b"", 500))

    def test_unreadableBinding(self) -> None:
        """
        A stored contact that cannot be read is equivalent to nothing.
        """
        made = updated(
            register(b"<sip:bob@192.0.2.5>"), evolve(binding(), contact=b"sip:[")
        )
        self.assertEqual(made.removed, ())


class ContactTests(SynchronousTestCase):
    """
    A binding in Contact of a 200.
    """

    def test_plain(self) -> None:
        """
        What is 1 or empty is left out; the lifetime is what is left.
        """
        self.assertEqual(
            contactOf(binding(seconds=60), EPOCH + 15),
            b"<sip:bob@192.0.2.4>;expires=45",
        )

    def test_whole(self) -> None:
        """
        A device finds its Contact as it gave it.
        """
        (change,) = updated(
            register(
                b'<sip:bob@192.0.2.4>;q=0.25;+sip.instance="<urn:uuid:1>";reg-id=1'
                b';expires=120;methods="INVITE"'
            )
        ).changes
        self.assertEqual(
            contactOf(change, EPOCH + 119.9),
            b"<sip:bob@192.0.2.4>;expires=1;q=0.25"
            b';+sip.instance="<urn:uuid:1>";reg-id=1;methods="INVITE"',
        )
