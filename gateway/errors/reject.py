"""Errors of content: the file goes back to whoever submitted it, with the reasons."""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Reject(GatewayError):
    disposition = Disposition.REJECT
    exit_status = 65


class FileEmpty(Reject):
    """The file is empty."""

    code = "file-empty"
    remedy = "Export it again, and drop the new file."


class FileTooLarge(Reject):
    """The file is larger than its flow allows."""

    code = "file-too-large"
    remedy = "Split it, or ask the sysadmin to raise `max_bytes` of the flow at both sites."


class FileNameRefused(Reject):
    """The file's name cannot be carried."""

    code = "file-name"
    remedy = (
        "Rename it: no `/` and `\\`, no control characters and none that turn text around, no dot at the beginning, at "
        "most 255 bytes of UTF-8, and no ending of an unfinished file."
    )


class FileUnsafe(Reject):
    """It is not a plain file with one name: a link, a directory, a pipe or a device."""

    code = "file-unsafe"
    remedy = "Drop the file itself, not a link or a folder."


class FileUnreadable(Reject):
    """The gateway may not read the file."""

    code = "file-unreadable"
    remedy = "Drop it so that the gateway's account may read it: with the group of the directory, and mode 0640."


class FlowNotPermitted(Reject):
    """That partner does not get this kind of file."""

    code = "flow-not-permitted"
    remedy = "Drop it under the right flow and partner; `gateway partner list` says what is permitted."


class ContentInvalid(Reject):
    """The content breaks the rules of its flow."""

    code = "content-invalid"
    remedy = "Correct what the findings name, in the system that made the file, and drop the new file."

    def __init__(self, reason: str = "", finding: str | None = None) -> None:
        super().__init__(reason)
        self.finding = finding or self.code
        """The first finding's code, which says more than the error's."""


class MessageIdUsed(Reject):
    """The message id in the file was used before."""

    code = "message-id-used"
    remedy = "Let the system that made the file make it again, with a message id of its own."


class ReturnedByPerson(Reject):
    """Somebody at this site decided that it does not go."""

    code = "returned-by-person"
    remedy = "Ask whoever decided it; the reason above is theirs. Drop the file again if it is to go after all."


class RefusedByPartner(Reject):
    """The partner's gateway did not accept the content."""

    code = "refused-by-partner"
    remedy = "Read the reason in the receipt; correct the file, or talk to the partner about its rules."


class RefusedByBackOffice(Reject):
    """The partner has the file, and its back office could not take it."""

    code = "refused-by-back-office"
    remedy = (
        "Read the reason; correct the file in the system that made it, and submit the new one, or talk to the partner."
    )


class Redirected(RefusedByBackOffice):
    """The partner has passed the file on to the authority that it belongs to."""

    code = "redirected"
    remedy = "Correct the authority in the system that made the file; do not send it again, the right one gets it."


class OutcomeName(Reject):
    """A file in spool/outcomes is named neither NAME.accepted nor NAME.rejected."""

    code = "outcome-name"
    remedy = "Name it after the delivered file, with `.accepted` or `.rejected` behind the whole name."


class OutcomeUnmatched(Reject):
    """No file of that name was delivered from that partner."""

    code = "outcome-unmatched"
    remedy = "Compare the name with `gateway inbound pending`, and leave the answer again under the right one."


class OutcomeAmbiguous(Reject):
    """Several delivered files have that name, and wait for an answer."""

    code = "outcome-ambiguous"
    remedy = "Name the answer after the transfer: ID.accepted or ID.rejected; `gateway inbound pending` shows the ids."


class OutcomeContrary(Reject):
    """The back office has said the contrary about that file before, and the sender was told."""

    code = "outcome-contrary"
    remedy = "Find out which answer is right; if it is this one, tell the sender by telephone."


class PartnerUnknown(Reject):
    """No partner of that code is configured."""

    code = "partner-unknown"
    remedy = "Check the code; `gateway partner list` shows those configured, `gateway partner add CARD` adds one."


class TransferExpired(Reject):
    """No receipt came before the flow's time limit."""

    code = "transfer-expired"
    remedy = "Ask the partner whether the file reached them, and drop it again if it did not."
