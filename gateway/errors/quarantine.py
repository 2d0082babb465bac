"""Errors of what should not exist: it is locked away whole, and an alarm is logged."""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Quarantine(GatewayError):
    disposition = Disposition.QUARANTINE
    exit_status = 65
    remedy = "Look at it with `gateway quarantine show ID`, ask the partner what they sent, then `gateway quarantine discard`."


class FileInfected(Quarantine):
    """The virus scanner found something in the file."""

    code = "infected"
    remedy = (
        "Do not open it. Find out with whoever made it where it comes from, and let them send a clean one; then "
        "`gateway quarantine discard ID --reason ...` removes it."
    )


class Replayed(Quarantine):
    """It was seen before, in another form."""


class ConsignmentAltered(Replayed):
    """A consignment of that id came before, with other bytes."""

    code = "replay-other-bytes"


class SequenceReused(Replayed):
    """Another consignment of that partner already had this sequence number."""

    code = "replay-sequence"


class TransferReused(Replayed):
    """Another consignment already carried a transfer of that id."""

    code = "replay-transfer"


class LandingUnexpected(Quarantine):
    """Something lies in a partner's landing that is neither a consignment nor a receipt."""

    code = "landing-unexpected"


class ReceiptRefused(Quarantine):
    """An answer that does not answer what we sent."""


class ReceiptMalformed(ReceiptRefused):
    """The receipt is not of the defined form."""

    code = "receipt-malformed"


class ReceiptVersion(ReceiptRefused):
    """The receipt is of a version that this gateway does not know."""

    code = "receipt-version"
    remedy = "The partner runs a newer gateway: upgrade this one."


class ReceiptForeign(ReceiptRefused):
    """The receipt answers a consignment that we never sent to that partner."""

    code = "receipt-foreign"


class ReceiptForOtherBytes(ReceiptRefused):
    """The receipt answers other bytes than we sent."""

    code = "receipt-other-bytes"


class ReceiptIncomplete(ReceiptRefused):
    """The receipt does not answer exactly the transfers of its consignment."""

    code = "receipt-items"


class ReceiptContrary(ReceiptRefused):
    """The receipt contradicts an earlier one about the same transfer."""

    code = "receipt-contrary"
