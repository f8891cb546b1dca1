"""
Tests for L{sipcluster.media.audio}.
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.media.audio import AudioLibrary, Silence, linear, raw
from sipcluster.media.g711 import encoded
from sipcluster.media.imedia import Codec, IAudio, IAudioLibrary, NoSuchAudio
from sipcluster.media.wav import A_LAW, header, write

PROMPT = array("h", [0, 1000, -1000, 30000])


class LibraryTests(SynchronousTestCase):
    """
    Finding what is to be played.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        (self.folder / "de").mkdir(parents=True)
        (self.folder / "hello.wav").write_bytes(write(PROMPT))
        (self.folder / "de" / "hallo welt.wav").write_bytes(write(PROMPT))
        (self.folder.parent / "secret.wav").write_bytes(write(PROMPT))
        self.library = AudioLibrary(self.folder)

    def _refused(self, uri: str) -> str:
        return str(self.assertRaises(NoSuchAudio, self.library.find, uri))

    def test_interfaces(self) -> None:
        """
        Both seams are kept.
        """
        verifyObject(IAudioLibrary, self.library)
        for uri in ("hello.wav", "tone:busy", "silence:"):
            verifyObject(IAudio, self.library.find(uri))

    def test_spellings(self) -> None:
        """
        A file may be named in all the ways in which URIs name one.
        """
        root = self.folder.resolve()
        for uri in (
            "hello.wav",
            "/hello.wav",
            "file:hello.wav",
            "file:/hello.wav",
            "file:///hello.wav",
            "file://localhost/hello.wav",
            "file://hello.wav",
            "FILE:de/../hello.wav",
            "de/hallo welt.wav",
            "file:///de/hallo%20welt.wav",
            f"file://{root}/hello.wav",
        ):
            audio = self.library.find(uri)
            self.assertEqual(audio.length, 4, uri)
            self.assertEqual(
                audio.piece(Codec.PCMA, 1, 2), encoded(PROMPT[1:3], Codec.PCMA)
            )

    def test_nothingOutside(self) -> None:
        """
        What is outside of the folder is not played, however it is spelled, nor by a
        link.
        """
        os.symlink(self.folder.parent / "secret.wav", self.folder / "link.wav")
        for uri in (
            "../secret.wav",
            "file:../secret.wav",
            "file:///../secret.wav",
            "file:%2e%2e/secret.wav",
            f"file://{self.folder.resolve()}/../secret.wav",
            f"file://{self.folder.parent.resolve()}/secret.wav",
            "link.wav",
        ):
            self.assertRaises(NoSuchAudio, self.library.find, uri)

    def test_recordings(self) -> None:
        """
        Recordings have a folder of their own, and nothing outside of it is played
        either.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "one.wav").write_bytes(write(PROMPT))
        library = AudioLibrary(self.folder, recordings=folder)
        for uri in (
            "file:recordings/one.wav",
            "recordings/one",
            "file:///recordings/one",
        ):
            self.assertEqual(library.find(uri).length, 4, uri)
        for uri in ("recordings/hello.wav", "recordings/../one.wav", "one.wav"):
            self.assertRaises(NoSuchAudio, library.find, uri)
        self.assertRaises(
            NoSuchAudio, library.find, f"recordings/../{self.folder.name}/hello.wav"
        )

    def test_refused(self) -> None:
        """
        What is not there, is no audio, or has a scheme that is not ours.
        """
        (self.folder / "text.wav").write_text("hello")
        os.symlink("loop.wav", self.folder / "loop.wav")
        self.assertIn("no file", self._refused("nothing.wav"))
        self.assertIn("no file", self._refused("de"))
        self.assertIn("no WAV", self._refused("text.wav"))
        self.assertIn("cannot play", self._refused("http://example.com/a.wav"))
        self.assertIn("no tone", self._refused("tone:nonsense"))
        for uri in ("loop.wav", "a\0b", "x" * 5000, ""):
            self._refused(uri)
        self.library = AudioLibrary()
        self.assertIn("no folder", self._refused("hello.wav"))

    def test_kept(self) -> None:
        """
        A file is read once, and again when it has changed.
        """
        first = self.library.find("hello.wav")
        self.assertIs(self.library.find("hello.wav"), first)
        (self.folder / "hello.wav").write_bytes(write(array("h", [1, 2])))
        self.assertEqual(self.library.find("hello.wav").length, 2)

    def test_bounded(self) -> None:
        """
        Files that were played least lately are forgotten, when they are too many; one
        that is too large is played all the same.
        """
        library = AudioLibrary(self.folder, cache=4 * 9)
        for name in "abc":
            (self.folder / f"{name}.wav").write_bytes(write(PROMPT))
        a, b = library.find("a.wav"), library.find("b.wav")
        self.assertIs(library.find("a.wav"), a)
        library.find("c.wav")
        self.assertIs(library.find("a.wav"), a)
        self.assertIsNot(library.find("b.wav"), b)
        (self.folder / "long.wav").write_bytes(write(array("h", range(100))))
        self.assertEqual(library.find("long.wav").length, 100)

    def test_longFiles(self) -> None:
        """
        A file is encoded a second at a time, when it is played, from any form.
        """
        samples = array("h", [n * 7919 % 60000 - 30000 for n in range(20000)])
        (self.folder / "long.wav").write_bytes(write(samples))
        law = encoded(samples, Codec.PCMA)
        made = header(A_LAW, 1, 20000) + law
        (self.folder / "law.wav").write_bytes(made)
        both = header(A_LAW, 2, 20000) + bytes(b for b in law for _ in range(2))
        (self.folder / "both.wav").write_bytes(both)
        for name in ("long.wav", "law.wav", "both.wav"):
            audio = self.library.find(name)
            self.assertEqual(audio.length, 20000)
            heard, start = b"", 0
            while start < audio.length:
                heard += audio.piece(Codec.PCMA, start, 160)
                start = len(heard)
            self.assertEqual(heard, law)

    def test_tones(self) -> None:
        """
        A tone is made once, goes on, and has its country's sound.
        """
        busy = self.library.find("tone:busy")
        self.assertTrue(busy.endless)
        self.assertIs(self.library.find("TONE:Busy"), busy)
        self.assertFalse(self.library.find("tone:beep").endless)
        german = AudioLibrary(country="de").find("tone:busy")
        self.assertNotEqual(german.length, busy.length)

    def test_silence(self) -> None:
        """
        Silence lasts as long as is said, or for ever.
        """
        self.assertTrue(self.library.find("silence:").endless)
        short = self.library.find("silence:0.5")
        self.assertEqual((short.length, short.endless), (4000, False))
        self.assertEqual(short.piece(Codec.PCMA, 3998, 160), b"\xd5\xd5")
        for uri in ("silence:-1", "silence:x", "silence:nan", "silence:1e9"):
            self._refused(uri)

    def test_withoutHeader(self) -> None:
        """
        Files of G.711 without a header are known by their names.
        """
        (self.folder / "a.ulaw").write_bytes(b"\xff\x80")
        (self.folder / "a.alaw").write_bytes(b"\xd5\xaa")
        self.assertEqual(
            self.library.find("a.ulaw").piece(Codec.PCMU, 0, 9), b"\xff\x80"
        )
        self.assertEqual(
            self.library.find("a.alaw").piece(Codec.PCMA, 0, 9), b"\xd5\xaa"
        )

    def test_nothingIsNotEndless(self) -> None:
        """
        Audio without a sample has an end.
        """
        self.assertFalse(linear(array("h"), endless=True).endless)
        self.assertEqual(raw(b"", Codec.PCMU).length, 0)
        self.assertEqual(Silence(0).length, 0)
