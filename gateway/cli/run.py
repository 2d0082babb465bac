"""`gateway run`: the daemon, or one of its roles."""

from __future__ import annotations

import click

from gateway.cli.site import settings_of
from gateway.daemon.roles import CONSOLE, HALTED, INDEX, LOAD, METRICS, NOTIFY
from gateway.errors import Halt, UsageWrong
from gateway.stages.itinerary import Role


@click.command()
@click.option("--until-idle", is_flag=True, help="End as soon as nothing is due any more.")
@click.option(
    "--role",
    type=click.Choice([*map(str, Role), "sshd", METRICS, NOTIFY, LOAD, INDEX, CONSOLE]),
    help="Run this role alone, unsupervised.",
)
@click.option("--as-fork-server", is_flag=True, hidden=True)
@click.option("--supervised-by", type=int, hidden=True)
@click.pass_context
def run(
    ctx: click.Context, *, until_idle: bool, role: str | None, as_fork_server: bool, supervised_by: int | None
) -> None:
    """Run the gateway of this site until SIGTERM.

    It watches the spool and the landing, sends, receives and answers. Three processes do the work (inspect, vault and
    link), and with `[sftp_server] managed = true` a private OpenSSH server takes what partners bring. SIGHUP makes it
    take over a changed configuration, once that is found without fault. Where each role has an account of its own
    ([accounts] split), each is started alone, and `sshd`, the OpenSSH server, is a role too. Where `[metrics] listen` names an
    address, the role `metrics` answers Prometheus there; where `[notify]` has a channel, the role `notify` tells people; with
    `[load] enabled = true` the role `load` is the back office, with `[index] enabled = true` the role `index` makes batches for a
    document system, and where `[console] listen` names an address, the role `console` serves the web pages.

    \b
    Example:
      gateway --home /srv/gateway run
      gateway --home /srv/gateway run --until-idle
    """
    if as_fork_server:
        from gateway.daemon.fork_server import fork_roles  # noqa: PLC0415 - each process loads what it needs

        forked = fork_roles()
        if forked is None:
            return
        role, supervised_by = forked  # this is one of its children
    settings = settings_of(ctx)
    if role is not None:
        if until_idle:
            raise UsageWrong("--until-idle is for the whole gateway, not for one role")
        if role == "sshd":
            from gateway.daemon.sshd_role import run_sshd_role  # noqa: PLC0415 - each process loads what it needs

            run_sshd_role(settings)
            return
        if role == METRICS:
            from gateway.administration.metrics.role import run_metrics_role  # noqa: PLC0415 - as above

            run_metrics_role(settings, supervised_by=supervised_by)
            return
        if role == NOTIFY:
            from gateway.administration.notify.role import run_notify_role  # noqa: PLC0415 - as above

            run_notify_role(settings, supervised_by=supervised_by)
            return
        if role == LOAD:
            from gateway.loading.role import run_load_role  # noqa: PLC0415 - as above

            run_load_role(settings, supervised_by=supervised_by)
            return
        if role == INDEX:
            from gateway.administration.indexing.role import run_index_role  # noqa: PLC0415 - as above

            run_index_role(settings, supervised_by=supervised_by)
            return
        if role == CONSOLE:
            from gateway.console.role import run_console_role  # noqa: PLC0415 - as above

            run_console_role(settings, supervised_by=supervised_by)
            return
        from gateway.daemon.role_process import work  # noqa: PLC0415 - each process loads what it needs

        try:
            work(settings, Role(role), supervised_by=supervised_by)
        except Halt as error:
            if supervised_by is None:
                raise
            ctx.exit(HALTED + error.exit_status)
        return
    from gateway.daemon.supervisor import Supervisor  # noqa: PLC0415 - as above

    ctx.exit(Supervisor(settings).run(until_idle=until_idle))
