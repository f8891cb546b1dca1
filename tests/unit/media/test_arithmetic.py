"""
Tests for L{sipcluster.media.arithmetic}.
"""

from __future__ import annotations

import sys
from array import array
from unittest import SkipTest

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.media.arithmetic import (
    IArithmetic,
    IBank,
    Listener,
    PlainArithmetic,
    Row,
    best,
)
from sipcluster.media.g711 import decoded, encoded
from sipcluster.media.imedia import Codec
from sipcluster.media.tones import sines

LENGTH = 16

rows = st.lists(
    st.builds(
        Row,
        st.binary(min_size=LENGTH, max_size=LENGTH),
        st.sampled_from(Codec),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@st.composite
def frames(draw: st.DrawFn) -> tuple[list[Row], list[Listener]]:
    """
    What some say, and who listens.
    """
    said = draw(rows)
    public = [n for n, row in enumerate(said) if row.public]
    private = [n for n, row in enumerate(said) if not row.public]
    extra: st.SearchStrategy[tuple[int, ...]] = st.just(())
    if private:
        extra |= st.lists(st.sampled_from(private), unique=True).map(tuple)
    own = st.sampled_from([-1, *public])
    listener = st.builds(Listener, st.sampled_from(Codec), own, extra)
    return said, draw(st.lists(listener, max_size=8))


def reference(rows: list[Row], listener: Listener) -> bytes:
    """
    What somebody hears, as it is defined.
    """
    heard = [0] * LENGTH
    for number, row in enumerate(rows):
        if (row.public and number != listener.own) or number in listener.extra:
            for place, sample in enumerate(decoded(row.frame, row.codec)):
                heard[place] += sample
    clipped = array("h", [max(-32768, min(32767, sample)) for sample in heard])
    return encoded(clipped, listener.codec)


class PlainTests(SynchronousTestCase):
    """
    The arithmetic of plain Python.
    """

    def setUp(self) -> None:
        self.arithmetic = self.make()

    def make(self) -> IArithmetic:
        """
        The one under test.
        """
        return PlainArithmetic()

    def test_interfaces(self) -> None:
        """
        Both seams are kept.
        """
        verifyObject(IArithmetic, self.arithmetic)
        verifyObject(IBank, self.arithmetic.bank((1000,), 80))

    @settings(max_examples=150, deadline=None)
    @given(frames())
    def test_mix(self, frame: tuple[list[Row], list[Listener]]) -> None:
        """
        Everybody hears exactly the others, clipped.
        """
        self.check(*frame)

    def check(self, rows: list[Row], listeners: list[Listener]) -> None:
        """
        Compare with the definition.
        """
        self.assertEqual(
            self.arithmetic.mix(rows, listeners),
            [reference(rows, each) for each in listeners],
        )

    def test_clipped(self) -> None:
        """
        Many loud ones are no louder than the loudest, of both signs.
        """
        for byte in (0x80, 0x00):
            loud = [Row(bytes([byte]) * LENGTH, Codec.PCMU)] * 8
            self.assertEqual(
                self.arithmetic.mix(loud, [Listener(Codec.PCMU)]),
                [bytes([byte]) * LENGTH],
            )

    def test_bank(self) -> None:
        """
        A frequency has the power of its sine, another one next to none, and blocks
        may begin anywhere in what is fed.
        """
        samples = sines((1000,), 0.1, -10.0)
        frame = encoded(samples, Codec.PCMU)
        bank = self.arithmetic.bank((1000, 2000), 80)
        found = []
        for start in range(0, 800, 30):
            piece = self.arithmetic.samples(frame[start : start + 30], Codec.PCMU)
            found += bank.feed(piece)
        self.assertEqual(len(found), 10)
        for (first, second), energy in found:
            self.assertLess(abs(first / energy - 1), 0.01)
            self.assertLess(second / energy, 0.01)

    def test_energy(self) -> None:
        """
        The mean square of loud samples is exact.
        """
        samples = self.arithmetic.samples(bytes(160), Codec.PCMU)
        self.assertEqual(self.arithmetic.energy(samples), 32124.0**2)
        samples = self.arithmetic.samples(b"", Codec.PCMU)
        self.assertEqual(self.arithmetic.energy(samples), 0.0)


class NumpyTests(PlainTests):
    """
    The arithmetic of numpy.
    """

    def make(self) -> IArithmetic:
        """
        The one under test.
        """
        try:
            return best("numpy")
        except ImportError as e:
            raise SkipTest("numpy is not installed") from e

    @settings(max_examples=150, deadline=None)
    @given(frames())
    def test_mix(self, frame: tuple[list[Row], list[Listener]]) -> None:
        """
        Everybody hears exactly the others, clipped.
        """
        self.check(*frame)

    def test_banksAreEqual(self) -> None:
        """
        Both measure the same.
        """
        frame = bytes(range(256))
        plain = PlainArithmetic()
        one = self.arithmetic.bank((697, 1633), 102)
        other = plain.bank((697, 1633), 102)
        for (a, c), (b, d) in zip(
            one.feed(self.arithmetic.samples(frame, Codec.PCMA)),
            other.feed(plain.samples(frame, Codec.PCMA)),
            strict=True,
        ):
            for mine, its in zip((*a, c), (*b, d), strict=True):
                self.assertLess(abs(mine - its), 1e-6 * abs(its) + 1e-3)


class BestTests(SynchronousTestCase):
    """
    Choosing one.
    """

    def test_names(self) -> None:
        """
        One can be asked for; without numpy there is the plain one.
        """
        self.assertEqual(best("plain").name, "plain")
        self.assertIn(best().name, ("plain", "numpy"))
        before = dict(sys.modules)
        self.addCleanup(sys.modules.update, before)
        sys.modules["sipcluster.media.arithmetic_numpy"] = None  # type: ignore[assignment]
        self.assertEqual(best().name, "plain")
        self.assertRaises(ImportError, best, "numpy")
