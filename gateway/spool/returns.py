"""Give a file back to its operator, with a letter beside it: NAME, and NAME.why.txt where something was wrong with it,
NAME.undelivered.txt where nobody signed for it in time, or NAME.late.txt where it was written to after it was taken.

Raises DiskFull and DiskFailed; after either, the same call may be made again. Nothing is overwritten, whatever has been
returned before. Any name will do: one that is not carried comes back under `names.safe_name`, and one that leaves no room for
the letter's ending under its second name. A dropped link, pipe or folder goes back as it is, by a rename, and is never opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from gateway.spool.names import has_room, safe_name, second_name, with_ending
from gateway.spool.publication import Moment, Placement, publish
from gateway.storage.durable import DISK, Disk, make_directory, write_file, write_new_file

WHY: Final = ".why.txt"
UNDELIVERED: Final = ".undelivered.txt"
WRITTEN_LATE: Final = ".late.txt"
SENT: Final = ".sent.txt"
"""In spool/receipts, in place of a receipt: see `stages.outbound.conclude`."""
LETTERS: Final = (WHY, UNDELIVERED, WRITTEN_LATE)
_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o770  # the set-group-ID bit comes from the directory above


def return_file(
    source: Path,
    directory: Path,
    name: str,
    why: str,
    *,
    tag: str,
    sha256: str | None = None,
    letter: str = WHY,
    disk: Disk = DISK,
) -> Path:
    """Move `source` into `directory`, write `why` beside it, and say where the file lies now.

    `tag` (the transfer's id, or a new id) tells it from other files of its name. `sha256` is given for bytes in
    custody; without it the entry lies in the spool still, and keeps its owner and mode. `letter` is one of LETTERS.
    """
    make_directory(directory, _DIRECTORY_MODE, disk)
    wanted, text = safe_name(name), why.encode()
    own = second_name(wanted, tag)
    if not has_room(wanted):
        wanted = own
    if os.path.lexists(source):
        # The letter comes first: whatever ends this process, no file lies there unexplained.
        chosen = wanted if _is_free(directory / wanted, source, letter, text) else own
        write_file(directory / (chosen + letter), text, mode=_MODE, disk=disk)
    else:
        chosen = own if os.path.lexists(directory / (own + letter)) else wanted
    mode = None if sha256 is None else _MODE
    returned = publish([Placement(source, directory, chosen, tag, sha256 or "", mode)], disk)[0]
    if returned.moment is not Moment.COLLECTED:
        # There already, unless somebody took the name in this very moment.
        write_new_file(returned.path.with_name(returned.path.name + letter), text, mode=_MODE, disk=disk)
    return returned.path


def _is_free(target: Path, source: Path, letter: str, text: bytes) -> bool:
    """Whether the file may come back under its own name, or has begun to.

    A letter that lies there may be of a file that the operator has taken away, or may itself be a returned file; one of
    the same words is as good as ours, and may be what an attempt that broke off left.
    """
    if os.path.lexists(target) and not os.path.samestat(target.lstat(), source.lstat()):
        return False
    letters = {ending: target.with_name(target.name + ending) for ending in LETTERS}
    return all(
        not os.path.lexists(path) or (ending == letter and _says(path, text)) for ending, path in letters.items()
    )


def _says(letter: Path, text: bytes) -> bool:
    """Whether that is a plain file of these words; what cannot be read is somebody else's."""
    try:
        status = letter.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == len(text) and letter.read_bytes() == text
    except OSError:
        return False


def tell(directory: Path, name: str, why: str, *, tag: str, letter: str = WHY, disk: Disk = DISK) -> Path:
    """Leave only the letter, for a file that does not come back, and give its path. A second call leaves no second one."""
    make_directory(directory, _DIRECTORY_MODE, disk)
    wanted = safe_name(name)
    reason, text = directory / with_ending(wanted, letter, tag), why.encode()
    if not write_new_file(reason, text, mode=_MODE, disk=disk) and reason.read_bytes() != text:
        reason = directory / (second_name(wanted, tag) + letter)
        write_file(reason, text, mode=_MODE, disk=disk)
    return reason


def letters(returned: Path, letter: str) -> int:
    """How many letters of a kind lie below `spool/returned`; OSError as the system says."""
    found = 0
    for directory in returned.glob("*/*"):
        if directory.is_dir():
            with os.scandir(directory) as entries:
                found += sum(entry.name.endswith(letter) for entry in entries)
    return found
