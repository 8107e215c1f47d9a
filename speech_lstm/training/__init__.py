"""Training a network and measuring it: the loop, batches, evaluation, calibration and their figures.

Read `trainer` first, then `batches` and `scoring`.
"""
