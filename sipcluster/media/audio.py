"""
What can be played, and where it is found.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from zope.interface import implementer

from sipcluster.media.g711 import converted, encoded
from sipcluster.media.imedia import RATE, Codec, IAudio, IAudioLibrary, NoSuchAudio
from sipcluster.media.tones import samplesOf, toneOf
from sipcluster.media.wav import MOST, parse

#: Bytes of prompts that are kept once they were played.
CACHE = 64 * 1024 * 1024

#: How the names of recordings begin, where those are played.
RECORDINGS = "recordings/"


@implementer(IAudio)
class Audio:
    """
    Samples, encoded once for everybody who hears them: a second at a time, when it is
    heard first, so that a long file delays nobody's audio.
    """

    __slots__ = ("_blocks", "_encode", "endless", "length")

    def __init__(
        self,
        length: int,
        encode: Callable[[Codec, int, int], bytes],
        endless: bool = False,
    ) -> None:
        """
        @param length: samples.
        @param encode: makes bytes of those from one to another.
        @param endless: it begins again at its end.
        """
        self.length = length
        self.endless = endless and length > 0
        self._encode = encode
        self._blocks: dict[tuple[Codec, int], bytes] = {}

    def piece(self, codec: Codec, start: int, most: int) -> bytes:
        """
        See L{IAudio}.
        """
        number, place = divmod(start, RATE)
        block = self._blocks.get((codec, number))
        if block is None:
            first = number * RATE
            block = self._encode(codec, first, min(first + RATE, self.length))
            self._blocks[codec, number] = block
        return block[place : place + most]

    @property
    def size(self) -> int:
        """
        Bytes of memory, once all of it was heard.
        """
        return 4 * self.length


@implementer(IAudio)
class Silence:
    """
    Nothing, for a while or for ever.
    """

    __slots__ = ("endless", "length")

    def __init__(self, seconds: float | None = None) -> None:
        """
        @param seconds: L{None}: without end.
        """
        self.endless = seconds is None
        self.length = RATE if seconds is None else round(seconds * RATE)

    def piece(self, codec: Codec, start: int, most: int) -> bytes:
        """
        See L{IAudio}.
        """
        return bytes([codec.silence]) * min(most, self.length - start)


def linear(samples: array[int], endless: bool = False) -> Audio:
    """
    Audio of samples.
    """

    def encode(codec: Codec, start: int, end: int) -> bytes:
        return encoded(samples[start:end], codec)

    return Audio(len(samples), encode, endless)


def raw(data: bytes, codec: Codec, endless: bool = False) -> Audio:
    """
    Audio of bytes that are encoded.
    """

    def encode(wanted: Codec, start: int, end: int) -> bytes:
        return converted(data[start:end], codec, wanted)

    return Audio(len(data), encode, endless)


def wav(data: bytes) -> Audio:
    """
    Audio of a WAV file.

    @raise NoSuchAudio: it is none that we can read.
    """
    found = parse(data)
    if found.codec is not None:
        return raw(found.body, found.codec)

    def encode(codec: Codec, start: int, end: int) -> bytes:
        return encoded(found.samples(start, end - start), codec)

    return Audio(found.length, encode)


@implementer(IAudioLibrary)
class AudioLibrary:
    """
    Tones by name, and files below one folder.
    """

    def __init__(
        self,
        folder: Path | None = None,
        country: str = "us",
        cache: int = CACHE,
        recordings: Path | None = None,
    ) -> None:
        """
        @param folder: where the files are; L{None}: there are none.
        @param country: whose tones; see L{sipcluster.media.tones}.
        @param cache: bytes of files kept in memory.
        @param recordings: where those are whose name begins with L{RECORDINGS};
            L{None}: below C{folder}, as all others.
        """
        self._folder = folder
        self._recordings = recordings
        self._country = country
        self._most = cache
        self._files: OrderedDict[Path, tuple[tuple[int, int], Audio]] = OrderedDict()
        self._tones: dict[str, Audio] = {}
        self._size = 0

    def find(self, uri: str) -> IAudio:
        """
        See L{IAudioLibrary}.
        """
        scheme, colon, rest = uri.partition(":")
        scheme = scheme.lower()
        if colon and scheme == "tone":
            return self._tone(rest.lower())
        if colon and scheme == "silence":
            return _silence(rest)
        if colon and scheme == "file":
            return self._file(_withoutHost(rest))
        if not colon:
            return self._file(uri)
        raise NoSuchAudio(f"cannot play {uri[:80]!r}")

    def _tone(self, name: str) -> Audio:
        found = self._tones.get(name)
        if found is None:
            tone = toneOf(name, self._country)
            found = self._tones[name] = linear(samplesOf(tone), tone.endless)
        return found

    def _file(self, name: str) -> Audio:
        folder = self._folder
        if self._recordings is not None and name.lstrip("/").startswith(RECORDINGS):
            folder = self._recordings
            name = name.lstrip("/").removeprefix(RECORDINGS)
        if folder is None:
            raise NoSuchAudio("there is no folder of files")
        if "\0" in name:
            raise NoSuchAudio("no name of a file")
        try:
            root = folder.resolve()
            path = (root / name.lstrip("/")).resolve()
            # A URI may also have the whole path.
            if name.startswith(f"{root}/"):
                path = Path(name).resolve()
            if not path.is_relative_to(root):
                raise NoSuchAudio(f"{name[:80]!r} is outside of the folder")
            if not path.suffix:
                # Names of the field have none.
                path = path.with_suffix(".wav").resolve()
                if not path.is_relative_to(root):
                    raise NoSuchAudio(f"{name[:80]!r} is outside of the folder")
            if not path.is_file():
                raise NoSuchAudio(f"no file {name[:80]!r}")
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            kept = self._files.get(path)
            if kept is not None and kept[0] == version:
                self._files.move_to_end(path)
                return kept[1]
            if stat.st_size > MOST:
                raise NoSuchAudio(f"{name[:80]!r} is too long")
            audio = _audioOf(path.suffix.lower(), path.read_bytes())
        except (OSError, RuntimeError) as e:
            raise NoSuchAudio(f"{name[:80]!r}: {e}") from e
        self._keep(path, version, audio)
        return audio

    def _keep(self, path: Path, version: tuple[int, int], audio: Audio) -> None:
        before = self._files.pop(path, None)
        if before is not None:
            self._size -= before[1].size
        self._files[path] = (version, audio)
        self._size += audio.size
        while self._size > self._most and self._files:
            _, (_, gone) = self._files.popitem(last=False)
            self._size -= gone.size


def _audioOf(suffix: str, data: bytes) -> Audio:
    if suffix in (".ulaw", ".ul", ".pcmu"):
        return raw(data, Codec.PCMU)
    if suffix in (".alaw", ".al", ".pcma"):
        return raw(data, Codec.PCMA)
    return wav(data)


def _silence(rest: str) -> Silence:
    if not rest:
        return Silence()
    try:
        seconds = float(rest)
    except ValueError:
        seconds = -1.0
    if not (0 <= seconds <= 86400) or math.isnan(seconds):
        raise NoSuchAudio(f"no silence of {rest[:20]!r} seconds")
    return Silence(seconds)


def _withoutHost(rest: str) -> str:
    """
    The path of a C{file:} URI, where the host, if any, is ours.
    """
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        # Many write file://name.wav and mean a name.
        rest = slash + path if host in ("", "localhost") else rest[2:]
    return unquote(rest)
