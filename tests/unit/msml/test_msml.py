"""
Tests for L{sipcluster.msml}.
"""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.msml.elements import BadDocument, Element, parseDocument
from sipcluster.msml.reading import parseMSML
from sipcluster.msml.values import (
    Action,
    Collect,
    CreateConference,
    DestroyConference,
    DialogEnd,
    DialogStart,
    Event,
    Play,
    Record,
    Result,
    Script,
    Stream,
    Unjoin,
    connection,
)
from sipcluster.msml.writing import renderMSML

texts = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda text: text.isprintable())
times = st.integers(0, 86_400_000).map(lambda number: number / 1000)
digits = st.text("0123456789ABCD*#", max_size=4)

plays = st.builds(
    Play,
    st.lists(texts, min_size=1, max_size=4).map(tuple),
    st.integers(0, 10000),
    times,
    times,
    st.booleans(),
)
collects = st.builds(
    lambda most, first, other, ending: Collect(
        most, 1 if ending else most, first, other, ending
    ),
    st.integers(1, 64),
    times.filter(bool),
    times.filter(bool),
    digits,
)
records = st.builds(
    Record,
    st.one_of(st.just(""), texts),
    times.filter(bool),
    times,
    times,
    digits,
    st.booleans(),
)
dialogs = st.builds(
    DialogStart,
    texts,
    st.one_of(st.just(""), texts),
    st.none() | plays,
    st.none() | collects,
    st.none() | records,
    st.booleans(),
).filter(
    lambda one: (
        one.play is not None
        or one.collect is not None
        or one.record is not None
        or one.detect
    )
)
actions: st.SearchStrategy[Action] = st.one_of(
    dialogs,
    st.builds(DialogEnd, texts),
    st.builds(CreateConference, texts),
    st.builds(DestroyConference, texts),
    st.builds(Unjoin, texts, texts),
    st.builds(
        Stream,
        texts,
        texts,
        st.just(False),
        st.booleans(),
        st.booleans(),
        st.one_of(st.just(""), texts),
        st.one_of(st.just(""), texts),
    ),
)


class WritingTests(SynchronousTestCase):
    """
    What is written is read as the same.
    """

    @given(st.lists(actions, max_size=4))
    def test_scripts(self, wanted: list[Action]) -> None:
        """
        So for whatever is to be done.
        """
        script = Script(tuple(wanted))
        self.assertEqual(parseMSML(renderMSML(script)), script)

    @given(texts, texts, st.dictionaries(texts, texts, max_size=5))
    def test_events(self, name: str, id: str, values: dict[str, str]) -> None:
        """
        So for whatever is told.
        """
        event = Event(name, id, values)
        self.assertEqual(parseMSML(renderMSML(event)), event)

    @given(st.integers(200, 699), texts, st.lists(texts, max_size=3))
    def test_results(self, response: int, why: str, ids: list[str]) -> None:
        """
        So for whatever is answered.
        """
        result = Result(response, why, tuple(ids), tuple(ids))
        self.assertEqual(parseMSML(renderMSML(result)), result)

    def test_noControls(self) -> None:
        """
        What XML cannot have is left out.
        """
        event = Event("a\x00b", "c\x1f", {"d\ud800": "e\ufffe\n"})
        read = parseMSML(renderMSML(event))
        assert isinstance(read, Event)
        self.assertEqual((read.name, read.id), ("ab", "c"))

    def test_connection(self) -> None:
        """
        A connection is named by the media server's tag.
        """
        self.assertEqual(connection(b"8f3a"), "conn:8f3a")


class ReadingTests(SynchronousTestCase):
    """
    Documents of others.
    """

    def test_example(self) -> None:
        """
        Prompt and collect as in RFC 5707 section 16.3.
        """
        document = b"""<?xml version="1.0" encoding="UTF-8"?>
        <msml version="1.1">
          <dialogstart target="conn:1234" name="12345"
                       type="application/moml+xml">
            <group topology="parallel">
              <groupexit><send target="source" event="done"/></groupexit>
              <play barge="true">
                <audio uri="file://provisioned/getpin.wav"/>
                <playexit><send target="group" event="x"/></playexit>
              </play>
              <dtmf fdt="10s" idt="16s">
                <pattern digits="xxxx#" format="mgcp"/>
              </dtmf>
            </group>
          </dialogstart>
        </msml>"""
        with self.assertRaises(BadDocument):
            # An MGCP digit map with more than digits is not read.
            parseMSML(document)
        read = parseMSML(document.replace(b"xxxx#", b"xxxx"))
        assert isinstance(read, Script)
        (start,) = read.actions
        assert isinstance(start, DialogStart)
        assert start.play is not None
        self.assertTrue(start.play.bargeIn)
        self.assertEqual(start.collect, Collect(4, 4, 10.0, 16.0))

    def test_times(self) -> None:
        """
        Times are seconds, milliseconds, or for ever.
        """
        for text, seconds in (
            ("5", 5.0),
            ("1.5s", 1.5),
            ("250ms", 0.25),
            ("immediate", 0.0),
            ("infinite", 86400.0),
            ("999999999s", 86400.0),
        ):
            read = parseMSML(
                f'<msml><dialogstart target="c"><record maxtime="{text}"/>'
                "</dialogstart></msml>".encode()
            )
            assert isinstance(read, Script)
            (start,) = read.actions
            assert isinstance(start, DialogStart) and start.record is not None
            self.assertEqual(start.record.longest, seconds, text)

    def test_streams(self) -> None:
        """
        A join without streams is one both ways.
        """
        read = parseMSML(b'<msml><join id1="conn:1" id2="conf:a"/></msml>')
        self.assertEqual(read, Script((Stream("conn:1", "conf:a", True),)))

    def test_bad(self) -> None:
        """
        What is no document, or more than anybody would write, is refused.
        """
        for data in (
            b"",
            b"x",
            b"<msml>",
            b"<msml/><msml/>",
            b"<x:msml/>",
            b"<msml>" + b"<a>" * 40 + b"</a>" * 40 + b"</msml>",
            b"<msml>" + b"<a/>" * 2000 + b"</msml>",
            b"<msml>" + b" " * 70000 + b"</msml>",
            b"<?evil x?><msml/>",
            b"<!DOCTYPE a><msml/>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><msml>&b;</msml>',
            b"<msml>&nothing;</msml>",
            b'<msml><event id="x"/></msml>',
            b'<msml><result response="9"/></msml>',
            b'<?xml version="1.0" encoding="UTF-7"?><msml/>',
            b'<?xml version="1.0" encoding="base64"?><msml/>',
        ):
            with self.assertRaises(BadDocument, msg=repr(data[:60])):
                parseMSML(data)

    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever comes, it is read or refused.
        """
        for document in (data, b"<msml>" + data + b"</msml>"):
            with contextlib.suppress(BadDocument):
                parseMSML(document)

    def test_elements(self) -> None:
        """
        Elements are found by name.
        """
        top = parseDocument(b"<a b='c'> x <d/>y<e>z</e><d/></a>")
        self.assertEqual((top.get("b"), top.get("no", "?")), ("c", "?"))
        self.assertEqual(top.text, "x y")
        self.assertEqual(len([*top.all("d")]), 2)
        self.assertEqual(top.first("f", "e"), Element("e", text="z"))
        self.assertIsNone(top.first("f"))
