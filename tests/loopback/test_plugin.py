"""
The plug-in is found however the package comes to a machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.defer import inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

from tests.loopback.processes import TOP

#: What a build needs of a checkout.
BUILT = ("setup.py", "setup.cfg", "README.md", "sipcluster", "twisted")

CONFIGURATION = '[switch]\nname = "test"\ndomain = "lab.example"\n'


@inlineCallbacks
def run(*command: str, folder: str, **environment: str) -> Any:
    """
    Run a program that sees nothing of our own environment's packages.

    @return: exit status and all output.
    """
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PIP_NO_INDEX")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    out, err, status = yield getProcessOutputAndValue(
        command[0], command[1:], env={**kept, **environment}, path=folder
    )
    return status, (out + err).decode("utf-8", "replace")


class PluginTests(TestCase):
    """
    C{twistd} lists C{sipcluster} from a checkout, an editable installation and a
    wheel.
    """

    timeout = 400

    def setUp(self) -> None:
        """
        An empty folder to be in.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    @inlineCallbacks
    def good(self, *command: str, **environment: str) -> Any:
        """
        Run a program that must go well.

        @return: its output.
        """
        folder = environment.pop("folder", str(self.folder))
        status, output = yield run(*command, folder=folder, **environment)
        self.assertEqual(status, 0, f"{command}: {output}")
        return output

    @inlineCallbacks
    def assertListed(self, *command: str, **environment: str) -> Any:
        """
        The help of a C{twistd} names our plug-in.
        """
        output = yield self.good(*command, "--help", **environment)
        self.assertRegex(output, r"\n +sipcluster +A SIP cluster: nodes")

    @inlineCallbacks
    def test_checkout(self) -> Any:
        """
        From a checkout: with its folder on the path, or by C{python -m} in it.
        """
        code = "from twisted.scripts.twistd import run; run()"
        yield self.assertListed(sys.executable, "-c", code, PYTHONPATH=str(TOP))
        yield self.assertListed(sys.executable, "-m", "twisted", folder=str(TOP))

    @inlineCallbacks
    def test_installed(self) -> Any:
        """
        From a wheel in a clean virtual environment, then from an editable
        installation in the same.
        """
        source = self.folder / "source"
        source.mkdir()
        for name in BUILT:
            if (TOP / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
                shutil.copytree(TOP / name, source / name, ignore=ignored)
            else:
                shutil.copy(TOP / name, source)
        home = self.folder / "venv"
        pip = (str(home / "bin/pip"), "--disable-pip-version-check")
        twistd = str(home / "bin/twistd")
        yield self.good(sys.executable, "-m", "venv", str(home))
        status, output = yield run(
            # Debian's pip would ask for a package "wheel" that it lacks.
            *(*pip, "wheel", "-q", "--no-deps", "--use-pep517"),
            *("-w", "wheels", str(source)),
            folder=str(self.folder),
        )
        if status and os.environ.get("CI") != "true" and "ConnectionError" in output:
            raise SkipTest("no package index can be reached")
        self.assertEqual(status, 0, output)
        (wheel,) = (self.folder / "wheels").iterdir()
        yield self.good(*pip, "install", "-q", str(wheel))
        yield self.assertListed(twistd)
        yield self.assertInstalled(home)
        yield self.good(*pip, "uninstall", "-q", "-y", "sipcluster")
        output = yield self.good(twistd, "--help")
        self.assertNotIn("sipcluster", output)
        yield self.good(*pip, "install", "-q", "--no-deps", "-e", str(source))
        yield self.assertListed(twistd)

    #: What must be there besides the plug-in.
    COMMANDS: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("sipclusterctl", "--version"),
        ("python", "-m", "twisted", "sipcluster", "check", "--config", "c.toml"),
        ("twistd", "sipcluster", "check", "--config", "c.toml"),
    )

    @inlineCallbacks
    def assertInstalled(self, home: Path) -> Any:
        """
        The installed package works without the checkout, and every module of it
        is there.
        """
        (self.folder / "c.toml").write_text(CONFIGURATION)
        for name, *arguments in self.COMMANDS:
            yield self.good(str(home / "bin" / name), *arguments)
        output = yield self.good(
            str(home / "bin/python"),
            "-c",
            "import pathlib, sipcluster; p = pathlib.Path(sipcluster.__file__).parent\n"
            "print(*sorted(str(m.relative_to(p)) for m in p.rglob('*')"
            " if m.suffix == '.py' or m.name == 'py.typed'), sep='\\n')",
        )
        wanted = [
            str(path.relative_to(TOP / "sipcluster"))
            for path in sorted((TOP / "sipcluster").rglob("*"))
            if path.suffix == ".py" or path.name == "py.typed"
        ]
        self.assertEqual(sorted(output.split()), sorted(wanted))
