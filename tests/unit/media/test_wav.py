"""
Tests for L{sipcluster.media.wav}.
"""

from __future__ import annotations

import contextlib
import io
import struct
import wave
from array import array

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.media.g711 import decoded
from sipcluster.media.imedia import Codec, NoSuchAudio
from sipcluster.media.wav import A_LAW, FORMATS, PCM, U_LAW, header, read, write


def pcm(rate: int, channels: int, width: int, data: bytes) -> bytes:
    """
    A file as Python's own module writes it.
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(rate)
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.writeframes(data)
    return file.getvalue()


class WAVTests(SynchronousTestCase):
    """
    Reading and writing.
    """

    def test_pcm(self) -> None:
        """
        What others write is read, and what we write is read by others.
        """
        samples = array("h", [0, 1, -1, 32767, -32768])
        self.assertEqual(read(pcm(8000, 1, 2, samples.tobytes())), samples)
        with wave.open(io.BytesIO(write(samples))) as reader:
            self.assertEqual(reader.getparams()[:4], (1, 2, 8000, 5))
            self.assertEqual(reader.readframes(9), samples.tobytes())

    def test_bytes(self) -> None:
        """
        Samples of 8 bits have no sign.
        """
        self.assertEqual(
            read(pcm(8000, 1, 1, bytes([128, 255, 0]))), array("h", [0, 32512, -32768])
        )

    def test_laws(self) -> None:
        """
        Files of G.711 are read, and have a header that says so.
        """
        for codec, kind in FORMATS.items():
            data = bytes(range(256))
            self.assertEqual(read(header(kind, 1, 256) + data), decoded(data, codec))
        self.assertEqual(header(U_LAW, 1, 0)[20:22], b"\x07\0")
        self.assertEqual(header(A_LAW, 2, 0)[22:24], b"\x02\0")

    def test_twoChannelsAndMoreSamples(self) -> None:
        """
        Channels, and samples that are too many, are put together.
        """
        stereo = array("h", [100, 300, -5, -7])
        self.assertEqual(read(pcm(8000, 2, 2, stereo.tobytes())), array("h", [200, -6]))
        fast = array("h", [10, 20, 30, 40, 50])
        self.assertEqual(read(pcm(16000, 1, 2, fast.tobytes())), array("h", [15, 35]))

    def test_otherChunksAreLeftOut(self) -> None:
        """
        Chunks that we do not know are passed over, with their padding.
        """
        file = write(array("h", [7]))
        odd = file[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + file[12:]
        self.assertEqual(read(odd), array("h", [7]))

    def test_extensible(self) -> None:
        """
        The long form of the format is read too.
        """
        file = write(array("h", [7]))
        form = file[20:36]
        long = struct.pack("<H", 0xFFFE) + form[2:] + struct.pack("<HHIH", 22, 16, 0, 1)
        made = file[:16] + struct.pack("<I", len(long)) + long + file[36:]
        self.assertEqual(read(made), array("h", [7]))

    def test_cutData(self) -> None:
        """
        A file that is cut has what is left, whole samples only.
        """
        self.assertEqual(read(write(array("h", [1, 2, 3]))[:-1]), array("h", [1, 2]))

    def test_refused(self) -> None:
        """
        What we cannot read is refused, and it is said why.
        """
        good = write(array("h", [1]))
        for bad, why in (
            (b"", "no WAV"),
            (b"RIFFxxxxWAVX", "no WAV"),
            (good[:12], "no data"),
            (good[:12] + good[36:], "no format"),
            (good[:16] + struct.pack("<I", 4) + good[20:24] + good[36:], "cut"),
            (pcm(8000, 3, 2, b""), "3 channels"),
            (pcm(11025, 1, 2, b""), "11025"),
            (header(PCM, 1, 1).replace(b"\x10\0data", b"\x18\0data"), "24 bits"),
        ):
            found = self.assertRaises(NoSuchAudio, read, bad)
            self.assertIn(why, str(found))

    @given(st.binary(max_size=200), st.integers(0, 60))
    def test_anything(self, data: bytes, start: int) -> None:
        """
        Whatever a file has in it, only our error comes of it.
        """
        good = write(array("h", range(20)))
        for each in (data, good[:start] + data):
            with contextlib.suppress(NoSuchAudio):
                read(each)

    def test_codecsHaveFormats(self) -> None:
        """
        Every codec can be recorded.
        """
        self.assertEqual(set(FORMATS), set(Codec))
