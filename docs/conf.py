"""
How Sphinx builds the documentation.
"""

from sipcluster import __version__

project = "sipcluster"
author = "The sipcluster authors"
release = version = __version__
html_theme = "sphinx_rtd_theme"
master_doc = "index"
exclude_patterns = ["_build", "newsfragments", "*.md"]
html_show_copyright = False
# C{``code``} stays as it is written: dashes are options.
smartquotes = False
