"""Recurrent networks: the contract of a cell, the cells, and the loop that runs them over time, both ways.

Read cell.py first: it is all that a cell needs. engine.py is the loop, layer.py and stack.py build the network.
"""
