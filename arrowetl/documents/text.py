"""The text of a file that people write."""

from __future__ import annotations

from pathlib import Path

from arrowetl.documents.nodes import Node
from arrowetl.documents.problems import Findings


def text_of(file: Path, findings: Findings) -> str | None:
    """Give a file's text, or None if what is wrong with it was told to `findings`.

    >>> findings = Findings("x.yaml")
    >>> text_of(Path("/there/is/no.yaml"), findings), str(findings.problems[0])
    (None, "x.yaml: can't be read: No such file or directory")
    """
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL is none
        said = getattr(error, "strerror", None) or error
        findings.add(Node(None, 0), f"can't be read: {said}")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        findings.add(Node(None, line), f"isn't UTF-8: byte {content[error.start]:#04x}")
        return None
