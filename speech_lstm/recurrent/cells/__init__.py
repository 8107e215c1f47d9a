"""The cells, one file for each family. Importing this package makes them known by their names."""

from speech_lstm.recurrent.cells import gru, light, lstm, vanilla

__all__ = ["gru", "light", "lstm", "vanilla"]
