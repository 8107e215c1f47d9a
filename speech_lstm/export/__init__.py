"""A model as ONNX files: for whole recordings or frame by frame, float32 or int8, compared with torch when written.

Read files.py first. model.py and network.py write the graph; loop.py writes any cell's step as a loop.
"""
