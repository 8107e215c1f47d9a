"""List the input devices."""

from __future__ import annotations

import argparse


def add_flags(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:
    from speech_lstm.audio.devices import device_table, list_devices

    print(device_table(list_devices()))
    return 0
