"""The cells, one file for each family. Importing this package makes them known by their names."""

from speech_lstm.recurrent.cells import lstm, vanilla

__all__ = ["lstm", "vanilla"]
