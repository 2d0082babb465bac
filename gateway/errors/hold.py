"""Errors that a person must decide: the work stops where it is, and release resumes it there."""

from __future__ import annotations

from gateway.errors.disposition import Disposition, GatewayError


class Hold(GatewayError):
    disposition = Disposition.HOLD
    exit_status = 69


class HostKeyChanged(Hold):
    """The partner's server shows another host key than the one pinned; nothing was sent."""

    code = "link-host-key"
    remedy = "Call the partner. If they changed it: `gateway partner add` with their new card, then `gateway release CODE --reason ...`."


class SuspectedDuplicate(Hold):
    """The same bytes went to the same partner before."""

    code = "suspected-duplicate"
    remedy = "If it is meant: `gateway release ID --reason ...`; otherwise `gateway return ID --reason ...`."


class ContentRepeated(Hold):
    """The file repeats, in other bytes, what went to the partner before, or is out of date; its flow holds such files."""

    code = "content-repeated"
    remedy = "If it is meant: `gateway release ID --reason ...`; otherwise `gateway return ID --reason ...`."


class WrittenLate(Hold):
    """Something wrote to the dropped file after it was taken: what was taken may be half a file."""

    code = "written-late"
    remedy = (
        "The whole file lies in spool/returned, with a letter. Give this transfer back with `gateway return ID --reason ...`, "
        "and drop the whole file again. If it has gone already, tell the partner not to use it."
    )


class PoisonFile(Hold):
    """Reading the file ended its reader three times."""

    code = "poison-file"
    remedy = "Look at the file with care, on another machine; then release it, or return it."


class VolumeUnusual(Hold):
    """The extract has far more or far fewer records than the last one."""

    code = "extract-volume"
    remedy = "If it is complete: `gateway release ID --reason ...`; otherwise `gateway return ID --reason ...`, and export it again."


class AuthorityUnsaid(Hold):
    """The extract's name does not say which authority it is of."""

    code = "extract-authority-unsaid"
    remedy = (
        "If it is this authority's: `gateway release ID --reason ...`, and later ones with a name of the same form go by "
        "themselves; otherwise `gateway return ID --reason ...`. A name that begins with `hb` and the code is never asked about."
    )


class ScanIncomplete(Hold):
    """The virus scanner has not looked at all of the file."""

    code = "scan-incomplete"
    remedy = (
        "Raise clamd's limits and `[antivirus] max_bytes` if the file is meant to be so large, then "
        "`gateway release ID --reason ...`: it is scanned again. Otherwise `gateway return ID --reason ...`."
    )


class DeliveryUnknown(Hold):
    """The file may have been delivered before this site was lost and put back from a copy."""

    code = "delivery-unknown"
    remedy = (
        "Ask the back office. If it has the file: `gateway release ID --delivered --reason ...`, and it is not given out again; "
        "if not: `gateway release ID --reason ...`."
    )


class HeldByPerson(Hold):
    """Somebody asked for it to wait."""

    code = "held-by-person"
    remedy = "`gateway release ID --reason ...` lets it go on."
