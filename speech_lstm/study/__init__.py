"""Greff et al.'s question: which cell is better, and is the difference real?

Read `definition` first, then `results` and `sections`.
"""
