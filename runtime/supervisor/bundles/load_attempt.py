"""One attempt to load a bundle: run its program in a process of its own, and hear what it declares."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from runtime.clock import SystemClock
from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.upheld import Upheld
from runtime.errors import BundleError, BundleImportFailed, SystemShort, lacking
from runtime.process.confine import landlock, seccomp
from runtime.process.confine.hold import Hold
from runtime.process.leftovers.forkability import Fork, bounded, cure_for, is_forkable, sentence_for
from runtime.process.logpipe import LogPipe
from runtime.process.plumbing import own_pipe
from runtime.process.program import priority
from runtime.process.program.command import Command
from runtime.process.zygote_client import ZygoteClient
from runtime.session.crash import Code, LoadedCode
from runtime.session.redaction import secrets_in
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle_file import file_of, fork_of
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from runtime.supervisor.bundles.confined.declared import Declared, declared_by
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.dotenv import dotenv_of, with_dotenv
from runtime.supervisor.bundles.import_turns import Turn
from runtime.supervisor.bundles.worker_pool import WorkerPool
from runtime.supervisor.server_lines import ServerLines
from runtime.supervisor.shortages import Shortages
from runtime.tasks import or_undone
from runtime.wire.control import Described, Opened

_REMOVE_S = 2.0


class LoadAttempt:
    """Runs in: the front's event loop.

    Args:
        shortages: Told of what the system had no more of.
        lost: Called when its zygote is gone although nobody asked it to go; with its pool, if it has one yet.
        log: The bundle's.

    Attributes:
        imported: The files that the program's import read or looked for, also of one that failed.
        fork: What the bundle's file says of being forked from.
        upheld: What holds its processes; None where nothing does.
        secrets: Values of its own variables that no report may show.
        declared: What it declared of what it may reach, when it was loaded last; set it before `run_held`.
    """

    def __init__(
        self,
        command: Command,
        settings: SupervisorSettings,
        *,
        shortages: Shortages,
        lost: Callable[[WorkerPool | None], None],
        log: Any,
    ) -> None:
        self._command = command
        self._settings = settings
        self._shortages = shortages
        self._lost = lost
        self._log = log
        self.imported: list[str] = []
        self.upheld: Upheld | None = None
        self.fork = Fork.AUTO
        self.secrets: tuple[str, ...] = ()
        self.declared: Declared = {}

    async def run_held(
        self, turn: Turn, confinement: Confinement | None, others: Sequence[Path]
    ) -> tuple[WorkerPool, Described, Held]:
        """Run the program, held by what is known; once more, if it declares something else.

        What holds it must hold before its first line, and what it declares is known only after its last.

        Args:
            confinement: None holds nothing back.
            others: The files and folders of the other bundles.

        Raises:
            RuntimeServiceError: What is in the way.
        """
        if confinement is None:
            return *await self.run(turn), Held()
        source = self._command.source
        held = await asyncio.to_thread(confinement.before_import, source, others, self.declared)
        for is_again in (False, True):
            held = await asyncio.to_thread(confinement.with_user, held, self._command)
            if held.no_user and not is_again:
                self._log.warning("bundle.shares_user", detail=f"{held.no_user} It keeps the server's user.")
            pool, described = await self.run(turn, held)
            try:
                declared = declared_by(described.endpoints)
                wanted = await asyncio.to_thread(confinement.held, source, others, declared)
                self.declared = declared
                if held.bundle == wanted.bundle and held.narrower == wanted.narrower:
                    await asyncio.to_thread(confinement.note, source, declared)
                    pool.apart = await self._apart(wanted, confinement)
                    wanted = replace(wanted, user=held.user, no_user=held.no_user, entries=pool.entries)
                    return pool, described, wanted
                if is_again:
                    raise BundleError(
                        f"{source.name} declares another confinement each time it is loaded",
                        cure=f"Say it in {file_of(source).name}, where it is the same each time.",
                    )
            except BaseException:
                await pool.close()
                raise
            await pool.close()
            self._log.info("bundle.loads_again", detail="its decorators ask for another confinement")
            held = wanted
        raise AssertionError("it is loaded twice at most")

    async def _apart(self, held: Held, confinement: Confinement) -> dict[str, Command]:
        """How those of its sessions are started that are held although the bundle is not.

        Raises:
            BundleError: One cannot be held as it asks to be.
        """
        made: dict[str, Command] = {}
        try:
            for path, own in held.apart.items():
                if own.level is Level.STRICT and not (landlock.abi() and seccomp.is_there()):
                    raise BundleError(
                        f"{path} cannot be held at level strict",
                        cure='Use a newer kernel, or level = "basic".',
                    )
                alone = replace(held, bundle=own, endpoints={path: own})
                alone = await asyncio.to_thread(confinement.with_user, alone, self._command)
                made[path] = await self.as_held(alone)
        except BaseException:
            for command in made.values():
                _close(command)
            raise
        return made

    async def run(self, turn: Turn, held: Held | None = None) -> tuple[WorkerPool, Described]:
        """Run the program; what its sessions come from, and what it said of itself.

        Args:
            held: What it may reach; None holds nothing back.

        Raises:
            RuntimeServiceError: What is in the way.
        """
        fork = await asyncio.to_thread(fork_of, self._command.source)
        command = await self.as_held(held)
        try:
            return await self._run(turn, command, fork)
        except BaseException:
            if command.hold is not None:
                command.hold.close()
                await command.hold.private.gone(_REMOVE_S)
            raise

    async def as_held(self, held: Held | None) -> Command:
        """How the program is started, with the bundle's own variables; close its `hold`, if it has one."""
        command = await asyncio.to_thread(self._with_own_variables, held)
        if held is not None:
            command = replace(command, policy=held.bundle, ground=held.ground)
        if held is not None and held.ground is not None and held.bundle.level is not Level.OFF:
            making = asyncio.to_thread(_held, command, held, held.ground, self._command.env)
            command = await or_undone(asyncio.ensure_future(making), _close)
        return command

    async def _run(self, turn: Turn, command: Command, fork: Fork) -> tuple[WorkerPool, Described]:
        served: list[WorkerPool] = []  # empty until there is its pool; a loss before that is a failed load

        def reaped() -> None:
            output.drain()
            output.close()

        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        try:
            if command.hold is not None and command.hold.user is not None:
                own_pipe(write_fd, command.hold.user)
            output = LogPipe(
                read_fd,
                ServerLines(self._log, "bundle.printed", self._settings, SystemClock()).write,
                max_line_bytes=self._settings.log_line_bytes,
                lines_per_s=self._settings.log_lines_per_s,
            )
            try:
                zygote = ZygoteClient(
                    command,
                    log_fd=write_fd,
                    fork=fork,
                    on_lost=lambda: self._lost(served[0] if served else None),
                    on_reaped=reaped,
                )
            except BaseException:
                output.close()
                raise
        finally:
            os.close(write_fd)
        turn.is_of(zygote.pid)
        try:
            async with asyncio.timeout(self._settings.import_s):
                described = await asyncio.shield(zygote.described)
        except BaseException as error:
            zygote.close()
            await zygote.wait(0 if isinstance(error, TimeoutError) else 2.0)
            lacks = Upheld.of(zygote.confined, None).missing
            if command.policy.level is Level.STRICT and lacks:
                raise BundleError(
                    f"it cannot be held at level strict: {'; '.join(lacks)}",
                    cure='Use a newer kernel, or level = "basic".',
                ) from None
            if isinstance(error, TimeoutError):
                raise BundleImportFailed(
                    f"{self._command.source.name} was not imported within {self._settings.import_s:g} s",
                    cure="Move long work out of the import, or raise supervisor.import_s.",
                ) from None
            if (death := zygote.early_death()) is not None:
                raise death from None
            raise
        finally:
            self.imported = zygote.imported
            self.upheld = None if command.hold is None else Upheld.of(zygote.confined, command.hold.user)
        priority.serve_again(zygote.pid)
        self.fork, opened = fork, bounded(described.opened)
        if not is_forkable(fork, opened):
            self._tell_not_forkable(opened)
            zygote.close()
            await zygote.wait(2.0)
            return WorkerPool(command, None, self._settings, shortages=self._shortages), described
        if zygote.is_gone:  # nobody was told: there was no pool yet
            await zygote.wait(2.0)
            told = "its interpreter ended as soon as the program was imported"
            raise BundleImportFailed(told, cure="See what it printed, in the log above.")
        self._tell_alike(described.alike)
        pool = WorkerPool(command, zygote, self._settings, shortages=self._shortages)
        served.append(pool)
        return pool, described

    def code(
        self, bundle: str, generation: int, program: Path, described: Described, at: float
    ) -> LoadedCode:
        """What was loaded, for the reports of its sessions; `at` is in seconds since the epoch."""
        code = Code(
            bundle=bundle,
            generation=generation,
            file=str(program),
            sha256=described.sha256,
            modified_at=described.modified_at,
        )
        return LoadedCode(code=code, folder=program.parent, loaded_at=at, secrets=self.secrets)

    def _with_own_variables(self, held: Held | None) -> Command:
        ground = None if held is None or held.bundle.level is Level.OFF else held.ground
        env, names = with_dotenv(self._command.source, self._command.env, ground)
        self.secrets = tuple(secrets_in({name: env[name] for name in names}))
        if names:
            self._log.info(
                "bundle.env_read", file=str(dotenv_of(self._command.source)), variables=list(names)
            )
        return replace(self._command, env=env)

    def _tell_not_forkable(self, opened: Sequence[Opened]) -> None:
        """Say why each session gets an interpreter of its own; silence where that was asked for."""
        if self.fork is Fork.NEVER:
            return
        self._log.warning(
            "bundle.not_forkable",
            opened=[sentence_for(one) for one in opened],
            threads=[one.name for one in opened if one.kind == "thread"],
            cure=cure_for(opened, file_of(self._command.source).name),
            detail="its import opened what sessions would share: each gets a fresh interpreter",
        )

    def _tell_alike(self, generators: Sequence[str]) -> None:
        """Say which random generators a fork copies and nobody can seed anew."""
        if generators:
            self._log.warning(
                "bundle.random_alike",
                generators=[one[:100] for one in generators[:20]],
                detail="these give the same numbers in every session",
                cure="Make them, or seed them, in the agent's start.",
            )


def _close(command: Command) -> None:
    if command.hold is not None:
        command.hold.close()


def _held(command: Command, held: Held, ground: Ground, env: Mapping[str, str]) -> Command:
    """The command, held; `env` without the bundle's own variables, which give it nothing to read."""
    policy, own = held.bundle, command.own(env)
    users = held.users() if seccomp.is_there() else None  # which keeps a zygote from being anybody
    python, env = (command.python, env) if own is None else (own.python, own.env)
    try:
        hold = Hold.of(
            policy,
            ground,
            command.source,
            python,
            env,
            narrower=held.narrower,
            user=held.user,
            users=users,
        )
    except OSError as error:
        if users is not None:
            users.close()
        if lacks := lacking(error):
            raise SystemShort(lacks, f"its sessions get no folders: {error.strerror}") from error
        raise BundleError(
            f"its sessions get no folders of their own: {error.strerror}: {error.filename}",
            cure="Let the server's user write to its state folder.",
        ) from error
    return replace(command, policy=policy.with_private(hold.private.path), ground=ground, hold=hold)
