"""Make the two forms of the bundled model: checkpoints/commands8.safetensors and commands8.onnx.

    python scripts/make_bundled_model.py [--model FILE] [--data DIR]

The ONNX form is the export in 8 bits, which `speech_lstm.load()` uses. Run this whenever the model, its thresholds
or the export changes. With --model, that file becomes the bundled model. With --data, the export must not lose
accuracy on the testing split of that corpus.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_lstm.export.files import export
from speech_lstm.model.checkpoint import load_model, save_model
from speech_lstm.recognition.recognizer import MODEL_NAME, one_thread

FILE = Path(__file__).parents[1] / "checkpoints" / f"{MODEL_NAME}.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=FILE, help="the model to bundle (the current one)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a corpus to compare the accuracy on")
    options = parser.parse_args()
    one_thread()
    model = load_model(options.model)
    print(export(model, FILE.with_suffix(".onnx"), int8=True, data=options.data))
    if options.model != FILE:
        save_model(FILE, model)


if __name__ == "__main__":
    main()
