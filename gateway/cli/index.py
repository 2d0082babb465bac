"""`gateway index`: delivered documents for a document system, in batches with an index."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, settings_of
from gateway.cli.tables import Column
from gateway.errors import UsageWrong

_COLUMNS: Final = (Column("TEMPLATE"), Column("BATCH"), Column("DOCUMENTS", right=True), Column("BYTES", right=True))
_LEFT: Final = (Column("FILE", gives_way=True), Column("FLOW"), Column("PARTNER"), Column("WHY"))


@click.group()
def index() -> None:
    """Hand delivered documents to a document system: batch folders with an index, by a template of yours.

    docs/operators/document-systems.md has it step by step, docs/formats/document-batches.md what a template and a batch are.
    """


@index.command()
@click.option("--once", is_flag=True, help="Make batches of all that lies there, the last one however small, and end.")
@click.option("--dry-run", is_flag=True, help="Only say which batches would be made of what lies there.")
@output.as_json
@click.pass_context
def run(ctx: click.Context, *, once: bool, dry_run: bool, as_json: bool) -> None:
    """Move delivered documents from spool/inbound into spool/batches/TEMPLATE, in whole batches; each document into one.

    Without --once it goes on as files come, until SIGTERM, and a batch that is not full waits for more as long as its template
    says; `[index] enabled = true` has `gateway run` do that. The document system answers as any back office does.

    \b
    Example:
      gateway --home /srv/gateway index run --dry-run
      gateway --home /srv/gateway index run --once
    """
    settings = settings_of(ctx)
    if not once and not dry_run:
        if as_json:
            raise UsageWrong("--json is for --once and --dry-run: what goes on speaks in log lines.")
        from gateway.administration.indexing.role import run_index_role  # noqa: PLC0415  # slow to import

        run_index_role(settings)
        return
    from gateway.administration.indexing.once import look, make_all  # noqa: PLC0415  # as above

    made = look(settings) if dry_run else make_all(settings, time.time)
    if as_json:
        output.show_json({"batches": made.batches, "left": made.left, "dry_run": dry_run})
        return
    if made.batches:
        tables.show(
            _COLUMNS, [(each.template, each.batch, str(each.documents), str(each.bytes)) for each in made.batches]
        )
    if made.left:
        tables.show(_LEFT, [(each.name, each.flow, each.partner, each.code) for each in made.left])
    would = "would be " if dry_run else ""
    documents = output.counted(sum(each.documents for each in made.batches), "document")
    if made.batches:
        output.say(f"{documents} {would}in {len(made.batches)} {'batch' if len(made.batches) == 1 else 'batches'}.")
    else:
        output.say("Nothing waits for the document system.")


@index.command()
@click.argument("template", metavar="TEMPLATE")
@click.option(
    "--reason",
    default="",
    metavar="TEXT",
    help="Why; it goes into the audit chain with your login name.  [default: why of the template]",
)
@output.as_json
@click.pass_context
def approve(ctx: click.Context, template: str, reason: str, *, as_json: bool) -> None:
    """Let the index of config/index/TEMPLATE.toml hold what its [personal] names, as the template stands now.

    Names, references and parts of names are what the sender wrote, and may name a person. Who decided that the index holds them,
    and why, stands in the template and goes into the audit chain. A template that was changed takes a new approval.

    \b
    Example:
      gateway --home /srv/gateway index approve laid --reason "decision 12/2026 of the information governance board"
    """
    settings = settings_of(ctx)
    from gateway.administration.indexing import approving  # noqa: PLC0415  # slow to import

    decision = decision_of(ctx, settings, reason or None, template)
    done = approving.approve(settings, log_of(settings), template, decision)
    if as_json:
        output.show_json({"template": done.name, "personal": list(done.personal), "sha256": done.sha256})
    else:
        output.say(f"The index of {done.name} may hold: {', '.join(done.personal)}.")


@index.command()
@click.argument("form", metavar="FORM", type=click.Choice(["csv", "xml", "json"]))
def example(form: str) -> None:
    """Print a template to begin with: csv, xml or json.

    \b
    Example:
      gateway index example csv > /srv/gateway/config/index/laid.toml
    """
    from gateway.settings.index_templates import example_text  # noqa: PLC0415  # slow to import

    click.echo(example_text(form), nl=False)
