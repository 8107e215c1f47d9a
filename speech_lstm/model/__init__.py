"""A model: network, labels and settings, its two file forms, and the parameters of a network.

Read `network` first, then `checkpoint`. `header` and `onnx_file` need no torch.
"""
