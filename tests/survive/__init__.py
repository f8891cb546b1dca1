"""
The survival contract: what goes wrong around a pair, and what is left of its calls.

Real processes on hosts of their own (network namespaces on one switch), SIPp as the
telephones, our own client library as the T-Library clients.  C{bin/survive} runs the
cells and writes the page of the manual.
"""
