"""Searches for new cells by mutation (Jozefowicz et al. 2015): a cell is a graph, and a good one has mutants.

Read `graph` first, then `stages` and `population`.
"""
