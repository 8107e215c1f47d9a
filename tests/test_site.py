"""The site of the documentation: every link leads somewhere, and nothing comes from other hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from support.command_line import SLOW


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_site_is_built_without_a_warning_and_loads_nothing() -> None:
    command = ["make", "--assume-old", ".venv/installed", "docs", f"BIN={Path(sys.executable).parent}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
    assert (done.returncode, done.stderr) == (0, "")
    pages = [page.read_text("utf-8") for page in (ROOT / "build" / "site").rglob("*.html")]
    assert len(pages) > 30
    assert not [address for page in pages for address in re.findall(r"""\ssrc=["']?(https?://[^"'\s>]+)""", page)]
    assert not [link for page in pages for link in re.findall(r"<link[^>]*https?://[^>]*>", page)]
