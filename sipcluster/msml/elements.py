"""
XML from anybody, as plain elements.

No document type, no entities of its own, no processing instructions; nothing that
would make a small text large, and nothing that would fetch anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from attrs import define, field

#: Bytes of a document, elements in it, and how deep they may be nested.
MOST_BYTES = 65536
MOST_ELEMENTS = 2000
DEEPEST = 32

#: Attributes of one element.
MOST_ATTRIBUTES = 32


#: What XML cannot have (XML 1.0 section 2.2).
_unwritable = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class BadDocument(ValueError):
    """
    A document is not one that can be used.
    """


@define
class Element:
    """
    One element.

    @ivar name: as written, with its prefix.
    @ivar text: what stands in it directly, white space around it left out.
    """

    name: str
    attributes: Mapping[str, str] = MappingProxyType({})
    children: list[Element] = field(factory=list)
    text: str = ""

    def get(self, name: str, default: str = "") -> str:
        """
        An attribute.
        """
        return self.attributes.get(name, default)

    def all(self, *names: str) -> Iterator[Element]:
        """
        The children of these names, in order.
        """
        return (child for child in self.children if child.name in names)

    def first(self, *names: str) -> Element | None:
        """
        The first child of one of these names.
        """
        return next(self.all(*names), None)

    def render(self) -> str:
        """
        As XML.
        """
        attributes = "".join(
            f" {name}={quoteattr(_unwritable.sub('', value))}"
            for name, value in self.attributes.items()
        )
        inside = escape(_unwritable.sub("", self.text)) + "".join(
            c.render() for c in self.children
        )
        if not inside:
            return f"<{self.name}{attributes}/>"
        return f"<{self.name}{attributes}>{inside}</{self.name}>"


class _Reading:
    """
    One document on its way through the parser.
    """

    def __init__(self) -> None:
        self.top: Element | None = None
        self._open: list[Element] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise BadDocument("too many elements")
        if len(self._open) >= DEEPEST:
            raise BadDocument("nested too deeply")
        if len(attributes) > MOST_ATTRIBUTES:
            raise BadDocument("too many attributes")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.top = element
        self._open.append(element)

    def end(self, name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refused(self, *_: object) -> int:
        raise BadDocument("a document type, an entity or a processing instruction")


def parseDocument(data: bytes) -> Element:
    """
    Read a document.

    @raise BadDocument: it is none, or more than anybody would write.
    """
    if len(data) > MOST_BYTES:
        raise BadDocument("too long")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    reading = _Reading()
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.refused
    parser.EntityDeclHandler = reading.refused
    parser.ExternalEntityRefHandler = reading.refused
    parser.ProcessingInstructionHandler = reading.refused
    try:
        parser.Parse(data, True)
    except expat.ExpatError as e:
        raise BadDocument(f"no XML: {e}") from None
    except (LookupError, ValueError) as e:
        if isinstance(e, BadDocument):
            raise
        raise BadDocument(f"no XML: {e}") from None
    if reading.top is None:
        raise BadDocument("no XML: nothing in it")
    return reading.top


def renderDocument(top: Element) -> bytes:
    """
    A whole document.
    """
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{head}\n{top.render()}\n".encode()
