"""``bulkhead replay``: the call of a crashed session again, in the foreground, with the code as it is now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from runtime.cli import completion
from runtime.cli.options import Config, State, Url, config_file
from runtime.cli.terminal import clean, note

if TYPE_CHECKING:
    from runtime.cli.api import Api
    from runtime.cli.crash.replay_hold import ReplayHold, Started

_WAIT_S = 30.0
_DRAIN_S = 5.0
VARIABLE_PREFIX = "REPLAY_"


def replay(
    session: Annotated[
        str,
        typer.Argument(
            help="Id of the session, fingerprint of a crash, or a file of `crash bundle`.",
            autocompletion=completion.crashes,
        ),
    ],
    pdb: Annotated[bool, typer.Option("--pdb", help="Stop in the debugger where it fails.")] = False,
    argument: Annotated[
        list[str] | None,
        typer.Option("--argument", "-a", help="NAME=VALUE for an argument that the report hides."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", help="The bundle, where the report's path is not here.")
    ] = None,
    for_s: Annotated[float, typer.Option("--for", min=0.0, help="Stop after so many seconds.")] = 0.0,
    url: Url = None,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Run the call of a crashed session again, with the code of now.

    It runs in the foreground. It gets a room of its own that is thrown away. Models and tools are asked
    anew, limits are not in force. It is held as its session is, but for the network. What others sent to
    it is sent again where the server kept it (BULKHEAD_RECORD=1), without secrets. Hidden arguments come
    from -a, from REPLAY_<NAME>, or you are asked for them. Exit status 1: it failed again."""
    from runtime.cli.crash.resend import resending
    from runtime.cli.failure import CommandFailed, ExitCode

    report = _report(session, url)
    given = dict(_pair(one) for one in argument or [])
    arguments = _revealed(report["arguments"], given)
    bundle = _bundle(report, source)
    # A file may come from anybody: it must not choose what is run of all that is on this machine.
    is_near = bundle.is_relative_to(Path.cwd())
    if source is None and _is_file(session) and not is_near and not _is_same(report, bundle):
        raise CommandFailed(
            f"{bundle} is not the code that the file tells of",
            cure=f"If it is what you want to run: --source {bundle}",
            exit_code=ExitCode.USAGE,
        )
    argv, env, hold = _launch(bundle, report, config, state_dir)
    _tell_what(report, bundle)
    note(f"  held: {hold.told}", "dim")
    cwd = bundle if bundle.is_dir() else bundle.parent
    with _private_room(report["room"], report["identity"]) as room:
        for is_again in (False, True):
            call = _call(report, room, arguments, debug=pdb, for_s=for_s, declared=hold.declared)
            with (
                resending(room.api, room.name, report["identity"], report.get("recorded") or []),
                hold.held(argv, env | {"BULKHEAD_REPLAY": call}, room.folder) as started,
            ):
                status = _foreground(started, cwd=cwd)
                if status != _otherwise() or is_again:
                    break
                hold.learn(started.folder)
    if status == 0:
        note("it did not fail this time", "green")
        return ExitCode.OK
    if status < 0:
        note(f"it was ended by signal {-status} ({_signal_name(-status)})", "red")
    else:
        note("it failed again" if status == _failed_code() else f"it ended with exit code {status}", "red")
    return ExitCode.FAILED


class _Room(NamedTuple):
    """A room that nobody else is in, on a server of its own."""

    api: Api
    name: str
    token: str
    folder: Path


def _report(session: str, url: str | None) -> dict[str, Any]:
    from runtime.cli.api import find_server
    from runtime.cli.crash.crash import report_for
    from runtime.cli.crash.crash_file import report_in

    if _is_file(session):
        return report_in(Path(session))
    return report_for(find_server(url), session)


def _is_file(session: str) -> bool:
    return session.endswith((".tar.gz", ".tgz"))


def _is_same(report: Mapping[str, Any], bundle: Path) -> bool:
    """Whether the bundle's program is the one that the report tells of."""
    import hashlib

    from runtime.supervisor.bundles.discovery import program_of

    try:
        found = hashlib.sha256(program_of(bundle).read_bytes()).hexdigest()
    except OSError:
        return False
    return found == str(report["code"]["sha256"])


def _tell_what(report: Mapping[str, Any], bundle: Path) -> None:
    from runtime.supervisor.bundles.discovery import program_of

    note(
        clean(f"{report['session']} · {report['identity']} in {report['room']} · {report['endpoint']}"),
        "bold",
    )
    note(f"  then: {clean(report['sentence'])}")
    edited = "edited since" if report["code"]["sha256"] else "as it is now"
    note(f"  code: {program_of(bundle)}, {'as it was' if _is_same(report, bundle) else edited}")


# ---- the call


def _call(
    report: Mapping[str, Any],
    room: _Room,
    arguments: dict[str, Any],
    *,
    debug: bool,
    for_s: float,
    declared: Mapping[str, Any],
) -> str:
    import msgspec

    from runtime.wire import control
    from runtime.worker.replay import Call

    start = control.Start(
        session_id=report["session"],
        generation=report["generation"] + 1,
        endpoint=report["endpoint"],
        identity=report["identity"],
        room=room.name,
        room_url=f"{room.api.url.replace('http', 'ws', 1)}/rooms/{room.name}",
        token=room.token,
        arguments=arguments,
        env={
            "BULKHEAD_SESSION": report["session"],
            "MESHAGENT_ROOM": room.name,
            "MESHAGENT_TOKEN": room.token,
            "MESHAGENT_SESSION_ID": report["session"],
        },
    )
    call = Call(start, server=room.api.url, debug=debug, for_s=for_s, declared=dict(declared))
    return msgspec.json.encode(call).decode()


def _pair(text: str) -> tuple[str, str]:
    from runtime.cli.failure import CommandFailed, ExitCode

    name, found, value = text.partition("=")
    if not found or not name:
        raise CommandFailed(f"{text!r} is no NAME=VALUE", cure="Write -a api_key=…", exit_code=ExitCode.USAGE)
    return name, value


def _revealed(arguments: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments with what the report hides or lacks filled in."""
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.session.redaction import HIDDEN

    asked: list[str] = []
    used: set[str] = set()

    def fill(value: Any, name: str) -> Any:
        if name in given:
            used.add(name)
            return given[name]
        if isinstance(value, dict):
            return {key: fill(inner, f"{name}.{key}" if name else str(key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, f"{name}.{number}") for number, inner in enumerate(value)]
        if not isinstance(value, str) or HIDDEN not in value:
            return value
        variable = _variable(name)
        if variable in os.environ:
            return os.environ[variable]
        if sys.stdin.isatty():
            return typer.prompt(f"  {name} (hidden in the report)", hide_input=True, err=True)
        asked.append(name)
        return value

    filled: dict[str, Any] = fill(dict(arguments), "")
    filled |= {name: value for name, value in given.items() if name not in used and "." not in name}
    if asked:
        names = ", ".join(f"-a {name}=… (or {_variable(name)})" for name in asked)
        raise CommandFailed(
            "the report hides arguments of the call", cure=f"Give them: {names}", exit_code=ExitCode.USAGE
        )
    return filled


def _variable(name: str) -> str:
    return VARIABLE_PREFIX + "".join(char if char.isalnum() else "_" for char in name).upper()


# ---- the program


def _bundle(report: Mapping[str, Any], named: Path | None) -> Path:
    from runtime.cli.failure import CommandFailed

    code = report["code"]
    program = named or (Path(code["file"]) if code["file"] else None)
    if program is None or not program.exists():
        where = f"{program} is not on this machine" if program else "the report does not say which code ran"
        raise CommandFailed(where, cure="Name the bundle: --source agents/chat.py")
    program = program.resolve()
    # A bundle that is a folder is called like it, and so are its requirements found.
    if named is None and program.name == "main.py" and code["bundle"] == program.parent.name:
        return program.parent
    return program


def _launch(
    bundle: Path, report: Mapping[str, Any], config: Path | None, state_dir: Path | None
) -> tuple[list[str], dict[str, str], ReplayHold]:
    """The command line and the environment of the bundle's own interpreter, or of ours; and what holds it."""
    import runtime
    from runtime.cli.crash.replay_hold import ReplayHold
    from runtime.process import agents_env
    from runtime.process.environment import bundle_environment
    from runtime.settings import load_settings
    from runtime.supervisor.bundles.dotenv import with_dotenv
    from runtime.supervisor.bundles.environment import own_launch

    flags = {"server.state_dir": str(state_dir)} if state_dir else {}
    settings = load_settings(flags=flags, env=os.environ, file=config_file(config))
    # Those in the folder of the bundle's program, or in the folder of agents that it is in.
    variables = agents_env.in_force(settings.server.agents_env, [bundle, bundle.parent])
    env = bundle_environment(os.environ, names=settings.supervisor.pass_env, agents=variables)
    servers = env
    env, _ = with_dotenv(bundle, env)
    name = report["code"]["bundle"] or bundle.stem
    own = own_launch(name, bundle, settings.server.state_dir / "environments", env)
    boot = Path(runtime.__file__).resolve().parent / "worker" / "boot.py"
    more = [str(boot), "--source", str(bundle), "--replay"]
    python, found = (sys.executable, env) if own is None else (own.python, own.env)
    hold = ReplayHold(settings, bundle, report["endpoint"], python, servers)
    return [python, *more], dict(found), hold


def _foreground(started: Started, *, cwd: Path) -> int:
    """Run it on this terminal; Ctrl-C is its business."""
    import signal
    import subprocess

    process = subprocess.Popen(started.argv, env=started.env, cwd=cwd, pass_fds=started.pass_fds)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
        if process.poll() is None:
            process.kill()
            process.wait()


def _failed_code() -> int:
    from runtime.worker.replay import FAILED

    return FAILED


def _otherwise() -> int:
    from runtime.worker.replay import OTHERWISE

    return OTHERWISE


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


# ---- the room


@contextmanager
def _private_room(name: str, identity: str) -> Iterator[_Room]:
    """A server with that room and nothing else in it, gone with all it wrote afterwards."""
    import secrets
    import tempfile

    from runtime.cli.server_process import ServerProcess
    from runtime.rooms.token import mint

    with tempfile.TemporaryDirectory(prefix="bulkhead-replay-") as folder:
        agents = Path(folder) / "agents"
        agents.mkdir()
        secret = secrets.token_urlsafe(32)
        flags = {"server.port": 0, "server.host": "127.0.0.1", "server.state_dir": Path(folder) / "state"}
        flags |= {"server.room": "", "server.watch": False}
        server = ServerProcess(flags, [agents], None, env={"BULKHEAD_ROOM_SECRET": secret})
        server.start()
        try:
            api = server.wait_listening(_WAIT_S)
            yield _Room(api, name, mint(identity, room=name, secret=secret), Path(folder))
        finally:
            server.stop()
            if not server.wait(_DRAIN_S):
                server.kill()
