"""Processes for the tests, forked from one server that has imported what they need: torch alone takes seconds.

The server starts once in a process of pytest, so all tests name the same modules.
"""

from __future__ import annotations

from multiprocessing import forkserver

MODULES = """speech_lstm.study.worker speech_lstm.search.worker speech_lstm.model.torch_model speech_lstm.training.run
speech_lstm.recognition.recognizer speech_lstm.report.plotting onnxruntime torch.utils.tensorboard"""


def start_server() -> None:
    """Start the server unless it runs."""
    forkserver.set_forkserver_preload(MODULES.split())
    forkserver.ensure_running()
