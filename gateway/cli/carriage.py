"""`gateway export` and `gateway import`: sealed files on a medium that somebody carries, while the network is down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.cli.tables import Column

if TYPE_CHECKING:
    from gateway.administration.carriage.exporting import Exported

_FILES: Final = (
    Column("FILE", gives_way=True),
    Column("BYTES", right=True),
    Column("INSIDE", right=True),
    Column("WHAT"),
)


@click.command()
@click.argument("partner", metavar="PARTNER")
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new directory on the medium. It holds sealed files and their waybill, and nothing else.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and leave it.")
@click.option(
    "--again", metavar="NUMBER", help="The waybill of that number was lost: let what is not answered go once more."
)
@reason_or("carried by hand, since the link is down")
@output.as_json
@click.pass_context
def export(
    ctx: click.Context,
    partner: str,
    directory: Path | None,
    again: str | None,
    reason: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write what waits sealed for PARTNER, consignments and receipts, into a directory for carriage by hand.

    It counts as sent: it waits for the receipt, and does not go by the link as well. Everything is signed and encrypted to the partner;
    waybill.asc lists it, signed, for whoever carries it and for `gateway import` there. Windows of flows do not hold it back.

    Where the site's store has lost a sealed file, the others are written, and this says which one is not there (exit status 75).

    Where a medium is lost, --again lets what is not answered go by the link, or with the next export.

    \b
    Example:
      gateway --home /srv/gateway export E09000030 --dry-run
      gateway --home /srv/gateway export E09000030 --to /media/stick/monday
      gateway --home /srv/gateway export E09000030 --again 019ab5f0 --reason "the stick was lost"
    """
    from gateway.administration.carriage import exporting, repeating  # noqa: PLC0415  # slow to import

    if dry_run and again is not None:
        raise click.UsageError("--dry-run is for an export with --to.")
    if again is not None and directory is not None:
        raise click.UsageError("Give --to or --again: what goes again is in the next export with --to.")
    settings = settings_of(ctx)
    if again is not None:
        decision = decision_of(ctx, settings, reason, partner)
        repeated = repeating.again(settings, log_of(settings), partner, again, decision)
        if as_json:
            output.show_json(repeated)
            return
        counts = (
            output.counted(len(repeated.consignments), "consignment"),
            output.counted(len(repeated.receipts), "receipt"),
        )
        output.say(f"{' and '.join(counts)} of waybill {repeated.waybill} go to {partner} once more.")
        return
    if dry_run:
        done = exporting.plan(settings, partner)
    elif directory is None:
        raise click.UsageError("Give --to DIR, --dry-run or --again NUMBER.")
    else:
        done = exporting.export(
            settings, log_of(settings), partner, directory, decision_of(ctx, settings, reason, partner)
        )
    if as_json:
        output.show_json(done)
    else:
        _tell(done, planned=dry_run)
    exporting.require_whole(done)


def _tell(done: Exported, *, planned: bool) -> None:
    if not done.consignments and not done.receipts:
        output.say(f"Nothing waits sealed for {done.partner}.")
    else:
        counts = output.counted(done.consignments, "consignment"), output.counted(done.receipts, "receipt")
        inside = output.counted(done.files, "file")
        click.echo(f"{counts[0]} with {inside}, {counts[1]}, {tables.bytes_of(done.bytes)}")
        if done.directory is not None:
            click.echo(f"waybill {done.waybill}, in {done.directory}")
        if done.arrive_by is not None:
            click.echo(f"has to arrive by {tables.brief(done.arrive_by)} (UTC)")
        if not planned:
            output.say("Unmount the medium before you take it away.")
    if done.behind or done.receipts_behind:
        what = f"{output.counted(done.behind, 'file')} and {output.counted(done.receipts_behind, 'receipt')}"
        output.say(f"{what} are not sealed yet: export again into another directory, while the gateway runs.")


@click.command("import")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the waybill and every file, and take nothing.")
@reason_or("carried by hand, since the link is down")
@output.as_json
@click.pass_context
def bring(ctx: click.Context, directory: Path, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Take the sealed files in DIR, which a partner's `gateway export` wrote, as if they had come by the link.

    The waybill's signature, sender and recipient are checked, then the size and digest of each file. Whole files go into the partner's
    landing directory, and the gateway takes them from there. What arrives twice is delivered once. Exit status 65 where a file is
    missing or damaged: the others are taken, and DIR may be imported again.

    \b
    Example:
      gateway --home /srv/gateway import /media/stick/monday --dry-run
      gateway --home /srv/gateway import /media/stick/monday
    """
    from gateway.administration.carriage import importing  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    done = importing.bring(settings, log_of(settings), directory, decision, dry_run=dry_run)
    if as_json:
        output.show_json(done)
    else:
        click.echo(f"waybill {done.waybill} of {done.partner}, made {tables.brief(done.made)} (UTC)")
        tables.show(_FILES, [(each.name, str(each.size), str(each.files or ""), each.fate) for each in done.files])
        if done.besides:
            output.say(f"{done.besides} in the directory are not on the waybill, and were left alone.")
    importing.require_whole(done)
