"""Numbers of lines in a file, found from bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 1 << 20


class LineNumbers:
    """Number the lines of a file by byte offset; reads on, never back."""

    def __init__(self, path: str) -> None:
        """Begin at the start of the file."""
        self.path = path
        self._read = 0
        self._lines = 1
        self._end = b""

    def at(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the numbers, from 1, of the lines at `offsets`, which ascend from call to call."""
        import numpy as np

        numbers = np.empty(len(offsets), np.int64)
        done = 0
        with Path(self.path).open("rb") as file:
            file.seek(self._read)
            while done < len(offsets):
                block = file.read(BLOCK)
                ends = self._line_ends(block)
                upto = (
                    len(offsets)
                    if len(block) < BLOCK
                    else np.searchsorted(offsets, self._read + BLOCK)
                )
                within = offsets[done:upto] - self._read
                numbers[done:upto] = self._lines + np.searchsorted(ends, within)
                if upto == len(offsets):
                    break
                done = int(upto)
                self._read += len(block)
                self._lines += len(ends)
        return numbers

    def of(self, offset: int) -> int:
        """Give the number of the line at one offset."""
        import numpy as np

        return int(self.at(np.array([offset]))[0])

    def _line_ends(self, block: bytes) -> NDArray[np.int64]:
        """Give where lines end in a block: at returns, in files that have nothing else."""
        import numpy as np

        if not self._end:
            self._end = b"\r" if b"\r" in block and b"\n" not in block else b"\n"
        return np.flatnonzero(np.frombuffer(block, np.uint8) == ord(self._end))
