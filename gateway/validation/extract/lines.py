"""Read the lines of an extract in order: right rows in runs where compiled code is there, all others one by one.

No more of the file is in memory than what is read ahead, and no line is taken that is longer than the limit. Raises GiveUp where
reading on makes no sense, and OSError as the file does.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from io import FileIO
from typing import Final

from gateway.validation.extract.bounds import bounds, first_row_fault
from gateway.validation.extract.finding_log import ExtractLimits, FindingLog
from gateway.validation.extract.layout import RECORD_TYPES
from gateway.validation.extract.rows import RowRules
from gateway.validation.extract.tally import Tally

_READ_AHEAD: Final = 256 * 1024


class Lines:
    """The lines of a file after its first, with their numbers, none longer than the limit, each counted in the tally.

    `offset` is where in the file the next one begins.
    """

    def __init__(self, file: FileIO, limits: ExtractLimits, log: FindingLog, tally: Tally) -> None:
        self._file = file
        self._limits = limits
        self._log = log
        self._tally = tally
        self.bounds = bounds(file)
        self._end = self.bounds.end
        self._row = 1
        self._content, self._at = b"", 0
        """What was read ahead, and where in it the next line begins."""
        self.offset = self.bounds.begin
        self._go(self.bounds.begin)

    def first(self, known: Collection[tuple[str, ...]]) -> bytes:
        """The first line; to be asked for once, before the others. `known` are the rows of field numbers that there are."""
        if os.fstat(self._file.fileno()).st_size > self._limits.max_bytes:
            raise self._log.end("extract-too-large", 1)
        line = self._line()
        if len(line) > self._limits.max_line:
            code, detail = first_row_fault(line, known)
            code, detail = ("extract-line-too-long", "") if code == "extract-header" else (code, detail)
            raise self._log.end(code, 1, detail)
        return line[: self.bounds.end - self.bounds.begin]

    def confine(self, start: int, end: int) -> None:
        """Go on with the first line that begins from `start` on, which is not the file's first, and not beyond `end`."""
        self._end = end
        self._go(start - 1)
        self._checked_line(1)

    def run(self, rules: RowRules) -> Iterator[tuple[int, tuple[str, bytes, bytes, bytes], Sequence[bytes]]]:
        """Take the right rows that come next, as far as they were read ahead; give back those that matter to other rows.

        That is the number of a row, what a Record has, and of an R record that resolves a match the fields that say which.
        """
        if rules.read is None:
            return
        before, ends = self._tally.rows, self._at + min(self._end, self.bounds.end) - self.offset
        run = rules.read(self._content, self._at, ends, self._limits.max_line, self._limits.max_rows - self._row + 1)
        first, content = self._row + 1, self._content
        for number, kind, a, b, c, d, e, f, g, h, i, j, k, l in run.reported:  # noqa: E741 - bounds of six values
            match = (content[g:h], content[i:j], content[k:l]) if g else ()
            yield first + number, (RECORD_TYPES[kind], content[a:b], content[c:d], content[e:f]), match
        self.offset += run.stopped - self._at
        self._at = run.stopped
        self._row += run.rows
        self._tally.rows = before + run.rows
        self._tally.counts.update(dict(run.counts))

    def next(self) -> tuple[int, bytes] | None:
        """The number of the next row, and its line; None behind the last."""
        if self.offset >= self._end or not (line := self._checked_line(self._row + 1)):
            return None
        if self.offset > self.bounds.end:
            line = line[: self.bounds.end - self.offset]  # what follows the last row stands on its line
        self._row += 1
        if self._row - 1 > self._limits.max_rows:
            raise self._log.end("extract-too-many-rows", self._row)
        self._tally.rows += 1
        return self._row, line

    def _checked_line(self, row: int) -> bytes:
        line = self._line()
        if len(line) > self._limits.max_line:
            raise self._log.end("extract-line-too-long", row)
        return line

    def _line(self) -> bytes:
        """The next line; of one that is longer than the limit, its beginning, which is longer as well."""
        longest = self._limits.max_line + 1
        while (feed := self._content.find(b"\n", self._at, self._at + longest)) < 0:
            if len(self._content) - self._at >= longest or not (more := self._file.read(_READ_AHEAD)):
                break
            self._content, self._at = self._content[self._at :] + more, 0
        line = self._content[self._at : self._at + longest if feed < 0 else feed + 1]
        self._at += len(line)
        self.offset += len(line)
        return line

    def _go(self, offset: int) -> None:
        self._file.seek(offset)
        self.offset = offset
        self._content, self._at = b"", 0
