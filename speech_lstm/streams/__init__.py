"""Long recordings with known words: how they are made, and how well a detector does on them.

Read matching.py first: it defines what counts as matched, missed, wrong and falsely accepted.
"""
