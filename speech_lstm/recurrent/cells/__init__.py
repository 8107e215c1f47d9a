"""The cells, one file for each family. Importing this package makes them known by their names."""

from speech_lstm.recurrent.cells import clockwork, depth_gated, grid, gru, light, lstm, time_frequency, vanilla

__all__ = ["clockwork", "depth_gated", "grid", "gru", "light", "lstm", "time_frequency", "vanilla"]
