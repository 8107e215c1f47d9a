"""The cells, one module for each family; importing the package registers them. Read gru.py first."""

from speech_lstm.recurrent.cells import clockwork, depth_gated, grid, gru, light, lstm, time_frequency, vanilla

__all__ = ["clockwork", "depth_gated", "grid", "gru", "light", "lstm", "time_frequency", "vanilla"]
