"""Studies: which cell is better, and is the difference real (Greff et al. 2015)?

Read `definition` first, then `results` and `sections`.
"""
