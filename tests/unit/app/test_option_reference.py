"""
Tests for L{sipcluster.app.option_reference}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

import sipcluster
from sipcluster.app import option_reference
from sipcluster.app.options import declared
from sipcluster.app.settings import APPLICATION_TABLES, DN_TABLES, Extension

PAGE = Path(sipcluster.__file__).parent.parent / "docs" / "options.rst"


class OptionReferenceTests(SynchronousTestCase):
    """
    The reference page says what the code says.
    """

    def test_pageIsMadeFromTheCode(self) -> None:
        """
        C{docs/options.rst} is what C{python -m sipcluster.app.option_reference}
        writes now.
        """
        if not PAGE.exists():
            raise SkipTest("there is no docs folder beside the package")
        self.assertEqual(PAGE.read_text(), "\n".join(option_reference.lines()) + "\n")

    def test_everyOptionStandsThere(self) -> None:
        """
        Every table with every option, and what each is by default.
        """
        page = "\n".join(option_reference.lines())
        for name, cls in {**DN_TABLES, **APPLICATION_TABLES}.items():
            part = page.partition(f"[[{name}]]\n")[2].partition("\n[")[0]
            for option in declared(cls):
                self.assertIn(f"``{option}``\n", part)

    def test_declarationsAreComplete(self) -> None:
        """
        Every option has words, and a secret is declared as one.
        """
        for cls in (*DN_TABLES.values(), *APPLICATION_TABLES.values()):
            for name, (declaration, _) in declared(cls).items():
                self.assertTrue(declaration.doc.endswith("."), name)
                self.assertTrue(declaration.kind.words, name)
        self.assertTrue(declared(Extension)["password"][0].secret)
        self.assertTrue(declared(Extension)["ha1"][0].secret)
