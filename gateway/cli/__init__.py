"""The command line: finds the command, runs it, and turns every way it can end into an exit status and plain words.

A command's module is imported only when that command is called, since `gateway --help` must not wait for libraries
that it does not need. The program imports without collecting garbage: there is none, and looking for it costs a fifth
of a command's time (docs/adr/0040). Exit statuses are those of sysexits.h, by the class of the error.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem, shell_complete

from gateway.errors import GatewayError, NotPermitted

USAGE: Final = 64
INTERNAL: Final = 70
INTERRUPTED: Final = 130
READER_GONE: Final = 141
"""As a shell reports a program that SIGPIPE ended."""

COMPLETE: Final = "_GATEWAY_COMPLETE"
"""In it a shell says which completion it asks for; the Debian package brings what asks."""


class CommandEntry(NamedTuple):
    """Where a command is defined, and what `gateway --help` says of it without importing it."""

    target: str
    summary: str


COMMANDS: Final[Mapping[str, CommandEntry]] = MappingProxyType(
    {
        "init": CommandEntry("gateway.cli.init:init", "Make a complete site: configuration, spool, keys, ledger."),
        "card": CommandEntry("gateway.cli.card:card", "Print this site's introduction, for partners."),
        "partner": CommandEntry("gateway.cli.partner:partner", "Introduce partners, list them, test their links."),
        "authorities": CommandEntry(
            "gateway.cli.authorities:authorities", "Look up local authorities, their codes, who took over."
        ),
        "rights": CommandEntry(
            "gateway.cli.rights:rights", "Who may do what below HOME, with an account for each role."
        ),
        "keys": CommandEntry("gateway.cli.keys:keys", "Show the keys, and change those of this site."),
        "config": CommandEntry("gateway.cli.config:config", "Check the configuration."),
        "run": CommandEntry("gateway.cli.run:run", "Run the gateway."),
        "submit": CommandEntry(
            "gateway.cli.submit:submit", "Hand files over for a partner, and see what becomes of them."
        ),
        "validate": CommandEntry(
            "gateway.cli.validate:validate", "Would these files be accepted? What is wrong, and where."
        ),
        "transfers": CommandEntry("gateway.cli.transfers:transfers", "List what went and what came."),
        "find": CommandEntry(
            "gateway.cli.find:find", "What became of a file: by its name, an id, a reference, or its bytes."
        ),
        "nodes": CommandEntry("gateway.cli.nodes:nodes", "Which nodes of the site are there, and what each works on."),
        "tail": CommandEntry("gateway.cli.tail:tail", "Follow what happens at this site, in words."),
        "traces": CommandEntry(
            "gateway.cli.traces:traces", "Send OpenTelemetry traces of transfers to a collector, or print them."
        ),
        "show": CommandEntry("gateway.cli.show:show", "Tell the whole story of one transfer or consignment."),
        "evidence": CommandEntry(
            "gateway.cli.evidence:evidence", "Write down, as one signed file, what can be shown of a transfer."
        ),
        "triage": CommandEntry(
            "gateway.cli.triage:triage", "How much repeats what came before, by partner and office."
        ),
        "referrals": CommandEntry(
            "gateway.cli.referrals:referrals", "Which referrals are answered, which are outstanding."
        ),
        "enquiries": CommandEntry(
            "gateway.cli.enquiries:enquiries", "Which enquiries are answered, which are outstanding."
        ),
        "enquiry": CommandEntry("gateway.cli.enquiry:enquiry", "Ask a partner, answer a partner's enquiry, read one."),
        "faults": CommandEntry("gateway.cli.faults:faults", "The board of known faults; at DWP, keep and publish it."),
        "calendar": CommandEntry(
            "gateway.cli.calendar:calendar", "Which authority's extract came, is late or is missing."
        ),
        "extract": CommandEntry("gateway.cli.extract:extract", "Sum an extract up."),
        "inbound": CommandEntry(
            "gateway.cli.inbound:inbound", "What was delivered, and not answered by the back office yet."
        ),
        "load": CommandEntry("gateway.cli.load:load", "Load delivered documents into a database, and answer for them."),
        "console": CommandEntry("gateway.cli.console:console", "Serve the site's web console."),
        "index": CommandEntry(
            "gateway.cli.index:index", "Hand delivered documents to a document system, in batches with an index."
        ),
        "logins": CommandEntry("gateway.cli.logins:logins", "Who logged in at the SFTP server, and who tried to."),
        "notify": CommandEntry("gateway.cli.notify:notify", "Whom this site tells what happens: list, test."),
        "status": CommandEntry("gateway.cli.status:status", "This site's health in one screen."),
        "hold": CommandEntry("gateway.cli.decide:hold", "Keep a transfer that has not been packed yet."),
        "release": CommandEntry("gateway.cli.decide:release", "Let what is held go on."),
        "retry": CommandEntry("gateway.cli.decide:retry", "Try now what waits for later."),
        "return": CommandEntry("gateway.cli.decide:give_back", "Give a transfer back to whoever submitted it."),
        "requests": CommandEntry(
            "gateway.cli.requests:requests", "What people asked, what waits for a second person, and the answers."
        ),
        "carry-out": CommandEntry(
            "gateway.cli.carry_out:carry_out", "Carry out what two people decided in the console and no role can."
        ),
        "redirect": CommandEntry(
            "gateway.cli.redirect:redirect", "Pass a file on to the authority that it belongs to."
        ),
        "quarantine": CommandEntry(
            "gateway.cli.quarantine:quarantine", "Look at what was locked away, and discard it."
        ),
        "audit": CommandEntry("gateway.cli.audit:audit", "Verify the audit chain, and exchange heads with partners."),
        "retention": CommandEntry("gateway.cli.retention:retention", "Remove and erase what is over its time."),
        "hold-retention": CommandEntry(
            "gateway.cli.retention:hold_retention", "Keep something beyond its time: a legal hold."
        ),
        "release-retention": CommandEntry("gateway.cli.retention:release_retention", "End a legal hold."),
        "statement": CommandEntry(
            "gateway.cli.statement:statement", "Measure this site for a code of connection: what falls short first."
        ),
        "reload": CommandEntry(
            "gateway.cli.reload:reload", "Make a running gateway take over its changed configuration."
        ),
        "backup": CommandEntry(
            "gateway.cli.backup:backup", "Take a copy of the whole site while it works, and verify it."
        ),
        "restore": CommandEntry("gateway.cli.backup:restore", "Put a site back from a copy, into an empty HOME."),
        "recover": CommandEntry(
            "gateway.cli.recover:recover", "Go on after a restoration, once it is known what happened since the copy."
        ),
        "export": CommandEntry(
            "gateway.cli.carriage:export", "Write what waits for a partner to a medium, for carriage by hand."
        ),
        "import": CommandEntry("gateway.cli.carriage:bring", "Take what a partner's medium brings."),
        "continuity": CommandEntry(
            "gateway.cli.continuity:continuity", "Invoke business continuity, say how it stands, end it, and reconcile."
        ),
        "tokens": CommandEntry(
            "gateway.cli.tokens:tokens", "Which programs may use the interface for programs: add, list, revoke."
        ),
        "people": CommandEntry(
            "gateway.cli.people:people", "Who may use the console: add, list, role, suspend, resume, remove, link."
        ),
        "checks": CommandEntry("gateway.cli.looking:checks", "Management checks that are outstanding, or all of them."),
        "incidents": CommandEntry("gateway.cli.looking:incidents", "Incidents that are open, or all of them."),
        "sample": CommandEntry(
            "gateway.cli.sample:sample", "Make lifelike sample files, or files with a named defect."
        ),
        "demo": CommandEntry("gateway.cli.demo:demo", "Show the whole job on this machine: three sites, every flow."),
        "bench": CommandEntry(
            "gateway.cli.bench:bench", "Measure the whole job beside scripts and rclone, on this machine."
        ),
        "ledger": CommandEntry("gateway.cli.ledger:ledger", "Move the ledger between SQLite and PostgreSQL: copy."),
        "doctor": CommandEntry("gateway.cli.doctor:doctor", "Find everything that would stop this site from working."),
    }
)


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command = getattr(import_module(module), name)
        if not gc.isenabled():  # as `main` left it
            gc.freeze()
            gc.enable()
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is not a command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name, help=of.summary) for name, of in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    envvar="GATEWAY_HOME",
    show_envvar=True,
    metavar="HOME",
    help="The site's directory, as `gateway init HOME` made it.",
)
@click.version_option(package_name="gateway", prog_name="gateway")
@click.pass_context
def gateway(ctx: click.Context, home: Path | None) -> None:
    """Files between the Department for Work and Pensions and local authorities: sealed, receipted, in the ledger.

    \b
    Example:
      gateway init /srv/gateway --site E09000030 --name "Tower Hamlets"
      gateway --home /srv/gateway card > tower-hamlets.card.json
    """
    ctx.obj = home


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. The entry point of the `gateway` program, which gives no `arguments`."""
    if arguments is None:
        gc.disable()
    try:
        if arguments is None and (asked := os.environ.get(COMPLETE)) is not None:
            return shell_complete(gateway, {}, "gateway", COMPLETE, asked)
        # Not click's own main(), which ends a program whose reader has gone with 1, as if it had failed.
        with gateway.make_context("gateway", list(sys.argv[1:] if arguments is None else arguments)) as context:
            gateway.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except GatewayError as error:
        return _refuse(error)
    except PermissionError as error:
        return _refuse(_not_permitted(error))
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _tell("stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush fails too
        return READER_GONE
    except Exception as error:  # noqa: BLE001  # the one place where a defect of ours becomes an exit status
        return _confess(error)
    return 0


def _refuse(error: GatewayError) -> int:
    _tell(f"error: {error.reason}", f"what to do: {error.remedy}")
    return error.exit_status


def _not_permitted(error: PermissionError) -> NotPermitted:
    """What the system says of whoever may not look at the site's files, wherever it was met."""
    from gateway.logs import safe_text  # noqa: PLC0415  # needed on this road only

    where = safe_text(str(error.filename or "a file of the site"))
    return NotPermitted(f"You may not do that with {where}: {os.strerror(error.errno or errno.EACCES)}.")


def _tell(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)


def _confess(error: Exception) -> int:
    """Say where a defect is without the values that it was met with, which may be personal."""
    from gateway.logs import places  # noqa: PLC0415  # needed on this road only

    _tell(f"error: a defect of the gateway: {type(error).__name__}", *(f"  {place}" for place in places(error)))
    _tell("what to do: report it with the lines above.")
    return INTERNAL
