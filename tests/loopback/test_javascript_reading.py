"""
The JavaScript client reads bytes that others have written down.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from tests.loopback.javascript import (
    CLIENT,
    NODE,
    skipWithoutNode,
)
from tests.loopback.processes import TOP

VECTORS = TOP / "tests" / "vectors" / "tlibrary"

TABLES = json.loads((TOP / "docs" / "protocols" / "tlibrary.json").read_text())

#: Number of each attribute, as text, and the enumeration of those that have one.
NUMBERS = {one["name"]: str(one["number"]) for one in TABLES["attributes"]}
ENUMERATIONS = {
    one["name"]: TABLES["enumerations"].get(one["enumeration"], {})
    for one in TABLES["attributes"]
    if one["type"] == "enumeration"
}

#: Name, number and bytes of each message in the specification's session.
BLOCKS = re.compile(r"```text\n(\w+) \((\d+)\)\n.*?```hex\n(.*?)```", re.S)

#: Reads frames of a file byte by byte, with the module that is named.
READER = """
const { FrameReader, parse, text } = require(process.argv[1]);
const frames = JSON.parse(require('node:fs').readFileSync(process.argv[2]));
const found = frames.map((hex) => {
  const reader = new FrameReader();
  let message = { error: 'not whole' };
  try {
    for (const byte of Buffer.from(hex, 'hex')) {
      reader.receive(Buffer.from([byte]));
      const payload = reader.next();
      if (payload !== undefined) message = parse(payload);
    }
    if (message.name !== undefined) message.text = text(message);
  } catch (error) {
    message = { error: error.message };
  }
  return message;
});
process.stdout.write(JSON.stringify(found, (key, value) => {
  if (typeof value === 'bigint') return value.toString();
  const isBytes = value && value.type === 'Buffer';
  return isBytes ? { hex: Buffer.from(value.data).toString('hex') } : value;
}));
"""


def number(name: str, value: Any) -> Any:
    """
    The value of an attribute, a member of an enumeration as its number.
    """
    members = ENUMERATIONS.get(name, {})
    return members.get(value, value) if isinstance(value, str) else value


class ReadingTests(TestCase):
    """
    Bytes that others have written down.
    """

    skip = skipWithoutNode()

    async def read(self, frames: list[bytes]) -> list[dict[str, Any]]:
        """
        Let the client read frames, which come byte by byte.

        @return: messages, and C{error} of those that it refuses.
        """
        assert NODE is not None
        file = Path(self.mktemp())
        file.write_text(json.dumps([frame.hex() for frame in frames]))
        out, err, status = await getProcessOutputAndValue(
            NODE, ["-e", READER, str(CLIENT), str(file)], env=dict(os.environ)
        )
        self.assertEqual((status, err), (0, b""))
        found: list[dict[str, Any]] = json.loads(out)
        return found

    async def test_goldenVectors(self) -> None:
        """
        It reads every golden vector as the message that it is, and refuses those
        that cannot be read.
        """
        files = sorted(VECTORS.glob("*.hex"))
        self.assertGreater(len(files), 60)
        meanings = [json.loads(f.with_suffix(".json").read_text()) for f in files]
        found = await self.read([bytes.fromhex(file.read_text()) for file in files])
        for file, meaning, one in zip(files, meanings, found, strict=True):
            if "error" in meaning:
                self.assertEqual("error" in one, meaning["error"]["fatal"], file.stem)
                continue
            for name in ("position", "reference"):
                self.assertEqual(str(one[name]), str(meaning[name]), file.stem)
            self.assertEqual(one["number"], meaning["number"], file.stem)
            attributes = {
                name: number(name, value) for name, value in one["attributes"].items()
            }
            unknown = {
                NUMBERS.get(name, name)
                for name in attributes
                if name not in meaning["attributes"]
            }
            self.assertEqual(unknown, set(meaning["unknown"]), file.stem)
            self.assertEqual(
                {name: attributes[name] for name in meaning["attributes"]},
                meaning["attributes"],
                file.stem,
            )

    async def test_text(self) -> None:
        """
        It prints the golden vectors as everybody does, where it knows all that
        stands in them.
        """
        files = [file.with_suffix(".hex") for file in sorted(VECTORS.glob("*.txt"))]
        found = await self.read([bytes.fromhex(file.read_text()) for file in files])
        compared = 0
        for file, one in zip(files, found, strict=True):
            if not json.loads(file.with_suffix(".json").read_text())["unknown"]:
                compared += 1
                expected = file.with_suffix(".txt").read_text().rstrip("\n")
                self.assertEqual(one["text"], expected, file.stem)
        self.assertGreater(compared, 40)

    async def test_sessionOfThePage(self) -> None:
        """
        It reads the session by hand of the specification.
        """
        page = (TOP / "docs" / "protocols" / "tlibrary.md").read_text()
        blocks = BLOCKS.findall(page)
        self.assertGreater(len(blocks), 10)
        found = await self.read([bytes.fromhex(block[2]) for block in blocks])
        self.assertEqual(
            [(one["name"], str(one["number"])) for one in found],
            [block[:2] for block in blocks],
        )
