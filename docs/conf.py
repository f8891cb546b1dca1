"""
How Sphinx builds the documentation.
"""

import sys
from pathlib import Path

from sipcluster import __version__

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

import call_models
import machines

# Pages that are made from the code, each time.
machines.write(Path(__file__).parent / "machines")
call_models.write(Path(__file__).parent / "models")

project = "sipcluster"
author = "The sipcluster authors"
release = version = __version__
html_theme = "sphinx_rtd_theme"
master_doc = "index"
exclude_patterns = ["_build", "newsfragments", "*.md"]
html_show_copyright = False
# C{``code``} stays as it is written: dashes are options.
smartquotes = False
