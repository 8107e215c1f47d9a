"""A model as C that computes in integers alone: for microcontrollers.

Read files.py first. integers.py makes integers of the weights, reference.py computes with them as the C does,
source.py writes the C from templates/.
"""
