"""The page on which one speaks and watches the gates: what Python prepares for it, and its server.

Read `pack.py` first: it writes a model as the file that the page reads; `program.py` turns a cell's own step into a
program for the page's engine. The page itself is plain JavaScript in site/, which begins in site/page.js.
"""
