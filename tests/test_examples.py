"""Every example runs, from the checkout's root, and prints something."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    arguments = [str(tmp_path / "out")] if path.stem == "demo" else []
    ran = subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "rows" in ran.stdout or "records" in ran.stdout
