"""The notebook runs from its first cell to its last in a fresh kernel, and is stored without outputs."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT

NOTEBOOK = ROOT / "docs" / "inside.ipynb"
SLOW = 120  # seconds for a cell; a loaded machine takes long to import torch


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=SLOW, kernel_name="python3")
    return client.execute(cwd=str(NOTEBOOK.parent))


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def test_every_cell_runs_and_shows_its_result(executed: nbformat.NotebookNode) -> None:
    text = printed(executed)
    assert text.startswith("stop ")
    assert "layer2.backward.c" in text
    differences = [float(line.rpartition(" ")[2]) for line in text.splitlines() if "largest difference" in line]
    assert len(differences) == 2
    assert max(differences) < 1e-5
    pictures = [
        output
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 4


def test_it_is_stored_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_it_is_small_and_valid() -> None:
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    assert NOTEBOOK.stat().st_size < 20_000
