"""Pack the small networks of four cells that the page compares: checkpoints/cells/CELL.pack.

    python scripts/make_page_cells.py DIR

DIR has a run for each cell, named by it. This trains them, in two to four minutes each on a core:

    for cell in lstm peephole gru rnn; do
      speech-lstm train --cell $cell --match-parameters 20000 --data data/speech_commands_v0.02 \\
        --config scripts/page_cells.toml --extra data/demo --out runs/cells/$cell
    done

The demo corpus is among the recordings, so that the networks know the synthetic voice of the page's sounds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.files import atomic_path, byte_size
from speech_lstm.model.bundled import folder
from speech_lstm.model.checkpoint import load_model
from speech_lstm.recognition.recognizer import one_thread
from speech_lstm.web.pack import pack
from speech_lstm.web.site import CELLS, SUFFIX

SMALL = ("lstm", "peephole", "gru", "rnn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="DIR", help="the folder of the runs")
    runs = parser.parse_args().runs
    one_thread()
    for cell in SMALL:
        content = pack(load_model(runs / cell / "best.safetensors"), cell)
        with atomic_path(folder() / CELLS / f"{cell}{SUFFIX}") as temporary:
            temporary.write_bytes(content)
        print(f"{cell}{SUFFIX}  {byte_size(len(content))}")


if __name__ == "__main__":
    main()
