"""
The table of the T-Library clients.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from sipcluster.app import kinds
from sipcluster.app.options import option

#: The T-Library ports on which a client may register itself.
TLIB_PORTS = ("default", "TCport")


@frozen
class TLibApplication:
    """
    C{[[tlib-application]]}: an application that may connect to the T-Library ports
    of the nodes; many clients may use one name.  Whoever is not in the file cannot
    connect.
    """

    name: str = option(
        "name", kinds.text(), "What the client calls itself (AttributeApplicationName)."
    )
    password: str = option(
        "password",
        kinds.text(),
        "What it shows. One of password and password-file is wanted.",
        default="",
        secret=True,
    )
    passwordFile: Path | None = option(
        "password-file",
        kinds.existingFile(),
        "File whose first line is the password.",
        default=None,
    )
    role: str = option(
        "role",
        kinds.choice("control", "monitor"),
        '"control": all requests; "monitor": registrations, queries and events only.',
        default="control",
    )
    ports: tuple[str, ...] = option(
        "ports",
        kinds.listOf(kinds.choice(*TLIB_PORTS), 1),
        "T-Library ports that it may use.",
        default=TLIB_PORTS,
    )
