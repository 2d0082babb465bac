"""What an enquiry or a reply says, and what is attached to it.

Raises NotFound, FileUnsafe, ContentInvalid for a document that is not right, and UsageWrong where a file is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.administration.documents.reading import content_of, reports_on
from gateway.domain.enquiry import ENQUIRY, REPLY
from gateway.errors import ContentInvalid, UsageWrong
from gateway.logs import safe_text
from gateway.settings.model import Settings
from gateway.spool.names import check_name
from gateway.stages.inspection import describe
from gateway.storage.durable import make_directory, write_new_file
from gateway.validation.enquiry import Received, read_letter

__all__ = ["Received", "read", "write_attachments"]


def read(settings: Settings | None, file: Path) -> Received:
    """The letter in a document, by the rules of the site where there is one."""
    content = content_of(file)
    reports = reports_on(settings, file, ENQUIRY, REPLY)
    if reports[-1].valid:
        return read_letter(content)
    # What says which flow it is of, and is wrong otherwise, has more to tell than what is of another flow.
    told = next((report for report in reports if report.schema is not None), reports[0])
    raise ContentInvalid(describe(told), told.findings[0].code)


def write_attachments(directory: Path, letter: Received) -> Sequence[Path]:
    """The attachments under their names; all their names are looked at before the first is written."""
    make_directory(directory.absolute(), 0o750)
    for attachment in letter.attachments:
        check_name(attachment.name)
    paths = []
    for attachment in letter.attachments:
        path = directory / attachment.name
        if not write_new_file(path, attachment.content, mode=0o640):
            raise UsageWrong(f"{safe_text(str(path))} is there already: choose another directory.")
        paths.append(path)
    return paths
