"""Random inputs of six kinds for the program's entry points; see docs/reliability.md."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
