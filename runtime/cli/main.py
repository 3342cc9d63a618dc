"""The command ``bulkhead``: which commands there are, and how each of their failures leaves the process.

Each command stands in a module of its own and imports what it needs when it runs, so that ``--help``
stays fast.
"""

from __future__ import annotations

import os
import sys
from copy import copy
from functools import cache
from typing import Annotated, Any

import typer

from runtime import __version__
from runtime.cli.crash import crash, replay
from runtime.cli.failure import CommandFailed, ExitCode, exit_code_of, typed, where_typed
from runtime.cli.help_page import Command, Group
from runtime.cli.room import agents, call, chat, containers
from runtime.cli.serve import demo, engine, node, serve, service_run, studio
from runtime.cli.service import bundle, deploy, init, kept, manifest, revisions, service_spec, setup
from runtime.cli.session import attach, freeze, profile, quarantine, session_logs, stop, usage, workers
from runtime.cli.session.chaos.command import chaos
from runtime.cli.session.top.command import top
from runtime.cli.state import api_keys, backup, config, doctor, nodes, rooms, secrets, webhooks
from runtime.cli.terminal import note_failure
from runtime.errors import RuntimeServiceError

_PLAIN_HELP: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bulkhead {__version__}")
        raise typer.Exit


app = typer.Typer(name="bulkhead", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
service_app = typer.Typer(name="service", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
secret_app = typer.Typer(name="secret", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
apikey_app = typer.Typer(name="apikey", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
webhook_app = typer.Typer(name="webhook", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
room_app = typer.Typer(name="room", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
container_app = typer.Typer(name="container", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
crash_app = typer.Typer(name="crash", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
quarantine_app = typer.Typer(name="quarantine", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
nodes_app = typer.Typer(name="nodes", cls=Group, invoke_without_command=True, **_PLAIN_HELP)
agents_app = typer.Typer(name="agents", cls=Group, no_args_is_help=True, **_PLAIN_HELP)
bundle_app = typer.Typer(name="bundle", cls=Group, no_args_is_help=True, **_PLAIN_HELP)


@app.callback()
def bulkhead(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Run AI agents, each session in a supervised process of its own."""


_RUN, _LOOK, _TALK, _SET, _KEEP = "Run", "Look and stop", "Talk", "Set up", "Keep"
app.command("demo", cls=Command, rich_help_panel=_RUN)(demo.demo)
app.command("serve", cls=Command, rich_help_panel=_RUN)(serve.serve)
app.command("node", cls=Command, rich_help_panel=_RUN)(node.node)
app.command("engine", cls=Command, rich_help_panel=_RUN)(engine.engine)
app.command("studio", cls=Command, rich_help_panel=_RUN)(studio.studio)
app.add_typer(service_app, rich_help_panel=_RUN, help="Run, describe and keep services.")
service_app.command("run", cls=Command)(service_run.run)
service_app.command("spec", cls=Command)(service_spec.spec)
service_app.command("validate", cls=Command)(manifest.validate)
service_app.command("render", cls=Command)(manifest.render)
service_app.command("convert", cls=Command)(manifest.convert)
service_app.command("create", cls=Command)(kept.create)
service_app.command("update", cls=Command)(kept.update)
service_app.command("list", cls=Command)(kept.list_services)
service_app.command("get", cls=Command)(kept.get)
service_app.command("delete", cls=Command)(kept.delete)
service_app.command("enable", cls=Command)(kept.enable)
service_app.command("disable", cls=Command)(kept.disable)
service_app.command("restart", cls=Command)(kept.restart)
service_app.command("logs", cls=Command)(kept.logs)
service_app.command("history", cls=Command)(revisions.history)
service_app.command("diff", cls=Command)(revisions.diff)
service_app.command("rollback", cls=Command)(revisions.rollback)
app.command("deploy", cls=Command, rich_help_panel=_RUN)(deploy.deploy)
app.command("ps", cls=Command, rich_help_panel=_LOOK)(workers.workers)
app.command("workers", cls=Command, hidden=True)(workers.workers)
app.command("logs", cls=Command, rich_help_panel=_LOOK)(session_logs.logs)
app.add_typer(crash_app, rich_help_panel=_LOOK, help="See why sessions ended badly.")
crash_app.command("list", cls=Command)(crash.list_crashes)
crash_app.command("show", cls=Command)(crash.show_crash)
crash_app.command("bundle", cls=Command)(crash.bundle_crash)
app.command("replay", cls=Command, rich_help_panel=_LOOK)(replay.replay)
app.command("top", cls=Command, rich_help_panel=_LOOK)(top)
app.command("stacks", cls=Command, rich_help_panel=_LOOK)(profile.stacks)
app.command("profile", cls=Command, rich_help_panel=_LOOK)(profile.profile)
app.command("freeze", cls=Command, rich_help_panel=_LOOK)(freeze.freeze)
app.command("thaw", cls=Command, rich_help_panel=_LOOK)(freeze.thaw)
app.command("attach", cls=Command, rich_help_panel=_LOOK)(attach.attach)
app.command("stop", cls=Command, rich_help_panel=_LOOK)(stop.stop)
app.command("usage", cls=Command, rich_help_panel=_LOOK)(usage.usage)
app.add_typer(quarantine_app, rich_help_panel=_LOOK, help="Inputs that killed their sessions.")
quarantine_app.command("list", cls=Command)(quarantine.list_inputs)
quarantine_app.command("release", cls=Command)(quarantine.release)
app.command("chaos", cls=Command, rich_help_panel=_LOOK)(chaos)
app.command("chat", cls=Command, rich_help_panel=_TALK)(chat.chat)
app.add_typer(agents_app, rich_help_panel=_TALK, help="List, ask and use what is in a room.")
agents_app.command("list", cls=Command)(agents.list_agents)
agents_app.command("ask", cls=Command)(agents.ask)
agents_app.command("invoke-tool", cls=Command)(agents.invoke_tool)
app.command("call", cls=Command, rich_help_panel=_TALK)(call.call)
app.add_typer(container_app, rich_help_panel=_LOOK, help="What a room runs beside it.")
container_app.command("ps", cls=Command)(containers.ps)
container_app.command("run", cls=Command)(containers.run)
container_app.command("logs", cls=Command)(containers.logs)
container_app.command("exec", cls=Command)(containers.exec_)
container_app.command("stop", cls=Command)(containers.stop)
app.command("images", cls=Command, rich_help_panel=_LOOK)(containers.images)
app.add_typer(secret_app, rich_help_panel=_SET, help="What services are given that nobody is to see.")
secret_app.command("set", cls=Command)(secrets.set_secret)
secret_app.command("list", cls=Command)(secrets.list_secrets)
secret_app.command("delete", cls=Command)(secrets.delete_secret)
app.add_typer(apikey_app, rich_help_panel=_SET, help="Keys that sign tokens and open the API.")
apikey_app.command("create", cls=Command)(api_keys.create)
apikey_app.command("list", cls=Command)(api_keys.list_keys)
apikey_app.command("delete", cls=Command)(api_keys.delete)
app.add_typer(webhook_app, rich_help_panel=_SET, help="Who is told when rooms start and end.")
webhook_app.command("create", cls=Command)(webhooks.create)
webhook_app.command("list", cls=Command)(webhooks.list_webhooks)
webhook_app.command("delete", cls=Command)(webhooks.delete)
webhook_app.command("deliveries", cls=Command)(webhooks.deliveries)
webhook_app.command("redeliver", cls=Command)(webhooks.redeliver)
app.add_typer(room_app, rich_help_panel=_SET, help="Rooms, and what runs in one.")
room_app.command("create", cls=Command)(rooms.create)
room_app.command("list", cls=Command)(rooms.list_rooms)
room_app.command("delete", cls=Command)(rooms.delete)
room_app.command("services", cls=Command)(kept.in_one_room)
app.add_typer(bundle_app, rich_help_panel=_SET, help="Environments that bundles have of their own.")
bundle_app.command("install", cls=Command)(bundle.install)
bundle_app.command("list", cls=Command)(bundle.list_bundles)
app.add_typer(nodes_app, rich_help_panel=_LOOK, help="Machines that run sessions for this server.")
nodes_app.callback()(nodes.nodes)
nodes_app.command("list", cls=Command)(nodes.nodes)
nodes_app.command("drain", cls=Command)(nodes.drain)
nodes_app.command("undrain", cls=Command)(nodes.undrain)
nodes_app.command("token", cls=Command)(nodes.token)
nodes_app.command("remove", cls=Command)(nodes.remove)
app.command("init", cls=Command, rich_help_panel=_SET)(init.init)
app.command("setup", cls=Command, rich_help_panel=_SET)(setup.setup)
app.command("config", cls=Command, rich_help_panel=_SET)(config.config)
app.command("doctor", cls=Command, rich_help_panel=_KEEP)(doctor.doctor)
app.command("backup", cls=Command, rich_help_panel=_KEEP)(backup.backup)
app.command("restore", cls=Command, rich_help_panel=_KEEP)(backup.restore)


def main() -> None:
    """Run the command line and leave the process with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit status; every failure is told on stderr."""
    typed[:] = argv
    try:
        status = _command(argv[0] if argv else "")(argv, prog_name="bulkhead", standalone_mode=False)
        return int(status or 0)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except RuntimeServiceError as error:
        return _tell(error)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.  Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # a usage error of the option parser
            if hasattr(error, "message"):  # of a choice another library says first whose error it is
                error.message = error.message.replace("Value error, ", "", 1)
            error.show()
            return int(error.exit_code)
        if os.environ.get("BULKHEAD_DEBUG"):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            told = f"{error.filename}: {error.strerror}"
            return _tell(CommandFailed(told, cure="Check its owner, its mode and the disk."))
        return _tell_bug(error)


@cache
def _command(name: str) -> Any:
    """The command line with the command that is typed alone: all eighty take 0.1 s to make; else with all."""
    part = copy(app)
    part.registered_commands = [one for one in app.registered_commands if one.name == name]
    part.registered_groups = [
        one for one in app.registered_groups if one.typer_instance and one.typer_instance.info.name == name
    ]
    return typer.main.get_command(part if part.registered_commands or part.registered_groups else app)


def _tell(error: RuntimeServiceError) -> int:
    error.cure = where_typed(error.cure)
    note_failure(error)
    return exit_code_of(error)


def _tell_bug(error: Exception) -> int:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown place"
    bug = CommandFailed(
        f"this is a defect of bulkhead: {type(error).__name__}: {error} ({where})",
        cure="Run it again with BULKHEAD_DEBUG=1 for the traceback, and report it.",
    )
    return _tell(bug)
