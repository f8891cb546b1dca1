"""
The music that those hear whom DNs hold, as the configuration has it.
"""

from __future__ import annotations

from collections.abc import Callable

from sipcluster.app.settings import Configuration, Extension


def musicOf(configuration: Configuration) -> Callable[[str], str]:
    """
    What those hear whom a DN holds.
    """
    nodes = configuration.clusterNodes
    own: dict[str, str] = {}
    for dn in configuration.dns:
        if isinstance(dn, Extension):
            on = nodes.musicOnHold if dn.musicOnHold is None else dn.musicOnHold
            own[dn.number] = f"file:{dn.music or nodes.music}" if on else ""
    return lambda dn: own.get(dn, "")
