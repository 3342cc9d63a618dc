"""``bulkhead chaos --hostile``: attacks of one session on all others, judged by what victims show."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import asdict

from runtime.cli.session.chaos.exits import Exits
from runtime.cli.session.chaos.sessions import Sessions
from runtime.cli.terminal import Output, clean, paint, say, show
from runtime.confinement.level import Level

if TYPE_CHECKING:
    from runtime.cli.api import Api
    from runtime.worker.chaos.attack import Attack, Targets

GOT_THROUGH: Final = "GOT THROUGH"
REFUSED: Final = "refused"
NOT_TRIED: Final = "not tried"
NO_EFFECT: Final = "no effect"
"""It raised nothing and its victim shows nothing, as of a signal to everybody that reached nobody."""

_ANSWER_S = 8.0
_LOOK_S = 0.005
_EFFECT_S = 1.0
_BACK_S = 60.0
_TRIES = 3
_WIDTHS = (23, 44, 26, 0)
_HEADER = ("ATTACK", "REFUSED BY", "EVENT", "SIBLING P99")


class Attacked(msgspec.Struct, kw_only=True):
    """What came of an attack.

    Attributes:
        promised: The server's level promises to refuse it.
        refused_by: The rule and what the attacker was told; empty unless it was refused.
        event: Which rules the session noted, to be told as `confinement.refused`; empty for none.
        is_untold: It was refused, could have been told, and was not.
        is_unheard: Its session had ended for the attack before, so that nobody tried it.
    """

    attack: str
    what: str
    level: str
    promised: bool
    result: str
    refused_by: str = ""
    event: str = ""
    p99_ms: float = 0.0
    lost: int = 0
    is_untold: bool = False
    detail: str = ""
    is_unheard: bool = False

    @property
    def is_well(self) -> bool:
        """Nothing happened that the level promises to prevent, and what the kernel refused was told."""
        return not (self.promised and self.result == GOT_THROUGH) and not self.is_untold


def run_attacks(
    api: Api, target: str, probe: str, attacks: str | None, output: Output, *, each_s: float
) -> bool:
    """Try them one after the other and show what came of each; whether what was promised was kept."""
    from runtime.worker.chaos.hostile import ATTACKS

    chosen = _chosen(attacks, ATTACKS)
    as_table = output in (Output.TABLE, Output.WIDE)
    results: list[Attacked] = []
    with Siege(api, target, probe, each_s) as siege:
        if as_table:
            say(f"confinement of {target}: {siege.level}")
            say(paint(_line(_HEADER), "dim"))
        for attack in chosen:
            if sys.stderr.isatty() and as_table:
                sys.stderr.write(f"{attack.name} …\r")
                sys.stderr.flush()
            results.append(siege.attack(attack))
            if as_table:
                _tell(results[-1])
    if as_table:
        say(_summary(results, siege.level))
    else:
        say(show([asdict(one) for one in results], output, name="attack", columns={}))
    return all(one.is_well for one in results)


class Siege:
    """An attacker, a healthy sibling, and what else there is to attack.  Leaving it ends what it started.

    Attributes:
        level: How the attacker is confined.
    """

    def __init__(self, api: Api, target: str, probe: str, each_s: float) -> None:
        from runtime.cli.api import home_of
        from runtime.cli.session.chaos.stands import Stands

        self._api, self._target, self._probe, self._each_s = api, target, probe, each_s
        self._state_dir = home_of(api)
        self._sessions = Sessions(api)
        self._stands = Stands(self._state_dir)
        self._exits = Exits(api)
        self._turn = 0
        self._attacker: dict[str, Any] = {}
        self._sibling: dict[str, Any] = {}
        self._targets: Targets | None = None
        self._terminated: Any = None
        self._last: tuple[Attack, Any] | None = None
        self._has_user = False
        self.level = Level.OFF

    def __enter__(self) -> Siege:
        self._sessions.check_served(self._target, self._probe)
        # A signal to everybody is one of the attacks; who looks on must see what it did.
        self._terminated = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._stands.__enter__()
        try:
            self._exits.follow()
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.__exit__()
        self._stands.__exit__()
        signal.signal(signal.SIGTERM, self._terminated)

    def attack(self, attack: Attack) -> Attacked:
        """Have the attacker try it, and look at its victim meanwhile."""
        for _ in range(_TRIES):
            if self._last is not None:
                self._mend(*self._last)  # now, because after the last one there may be nothing left to mend
            if not (found := self._attacked(attack)).is_unheard:
                break
        return found

    def _attacked(self, attack: Attack) -> Attacked:
        from runtime.cli.failure import CommandFailed
        from runtime.cli.session.chaos.probe import Probe
        from runtime.worker.chaos.hostile import NOT_HERE

        at = self._targets
        assert at is not None
        self._turn += 1
        told: dict[str, Any] = {}
        is_heard = True
        with Probe(self._api, self._sibling["id"]) as probe, Watch(attack, at) as watch:
            began = time.monotonic()
            try:
                asked = {"fault": attack.name, "at": {**at.plain(), "turn": self._turn}}
                self._api.post(f"/workers/{self._attacker['id']}/faults", asked)
                while time.monotonic() - began < _ANSWER_S and not told and not self._has_ended():
                    told = self._answer()
                    if not told and watch.changed.wait(0.01):
                        break
            except CommandFailed as error:  # the server is away, which is seen, too
                told = {"error": error.message}
                is_heard = not self._has_ended(_EFFECT_S)
            watch.changed.wait(max(0.0, began + self._each_s - time.monotonic()))
            if attack.seen is not None and told and not told.get("error"):
                watch.changed.wait(_EFFECT_S)  # a process takes its time to die on a busy machine
        got = str(told.get("got", ""))
        worked = watch.changed.is_set() if attack.seen is not None else _proves(attack, at, got)
        result = GOT_THROUGH if worked else NO_EFFECT
        if not worked and told.get("error") == NOT_HERE:
            result = NOT_TRIED
        elif not worked and told.get("error"):
            result = REFUSED
        noted = ", ".join(told.get("noted", ()))
        # With a user of its own, modes of files refuse most of it, which nobody is to be told of.
        is_confined = self.level > Level.OFF and attack.level is Level.BASIC and not self._has_user
        answered = Attacked(
            attack=attack.name,
            what=attack.what,
            level=attack.level or "",
            promised=attack.is_promised(self.level),
            result=result,
            refused_by=f"{attack.rule}: {told.get('error')}" if result == REFUSED else "",
            event=noted,
            is_untold=result == REFUSED and is_confined and not noted and not attack.silent,
            p99_ms=round(probe.answers.quantile(0.99), 2),
            lost=probe.answers.lost,
            detail=str(told.get("detail") or got)[:200],
            is_unheard=not is_heard and not worked,
        )
        self._last = (attack, watch.before)
        return answered

    def _prepare(self) -> None:
        """Start attacker and sibling, and find out where everything is."""
        from runtime.cli.api import read_server_file
        from runtime.cli.session.chaos.victims import address_of, is_alone
        from runtime.worker.chaos.attack import Targets

        sessions = self._sessions
        beside = "" if self._target != self._probe else f"{sessions.room}-probe"
        self._sibling = sessions.start(self._probe, f"probe-{self._turn}", beside)
        self._attacker = sessions.start(self._target, f"attacker-{self._turn}")
        served = self._api.get("/workers")
        bundles = {one["name"]: one for one in served["bundles"]}
        owner = {one["path"]: one["bundle"] for one in served["endpoints"]}
        others = [one for path, one in owner.items() if one not in (owner[self._target], owner[self._probe])]
        confinement = self._attacker.get("confinement") or {}
        front = int((read_server_file(self._state_dir) or {}).get("pid", 0))
        self.level = Level(confinement.get("level", "off"))
        self._has_user = (confinement.get("rules") or {}).get("uid") is not None
        own = bundles[owner[self._probe]]
        self._targets = Targets(
            sibling=self._sibling["pid"],
            session=self._sibling["id"],
            address=address_of(self._sibling["id"], self._sibling["pid"]),
            front=front,
            zygote=own["pid"] or 0 if own["forked"] else 0,
            url=self._api.url,
            endpoint=self._probe,
            folders=tuple(str(path) for path in self._state_dir.glob("sessions/*/*")),
            own_code=_file(own["source"]),
            other_code=_file(bundles[others[0]]["source"]) if others else "",
            alone=is_alone(front),
            heard=self._stands.heard,
            **self._stands.targets,
        )

    def _answer(self) -> dict[str, Any]:
        """What the attacker logged of this turn; empty when it did not yet."""
        from runtime.worker.chaos.hostile import EVENT

        kept = self._api.get(f"/workers/{self._attacker['id']}/logs")
        if not isinstance(kept, dict):
            return {}  # cut off: the server was killed at its answer
        for line in kept["lines"][-20:]:
            event, _, rest = line["text"].partition(" told=")
            if event == EVENT:
                told, _ = json.JSONDecoder().raw_decode(rest)
                if isinstance(told, dict) and told.get("turn") == self._turn:
                    return told
        return {}

    def _has_ended(self, within_s: float = 0.0) -> bool:
        return self._exits.wait(self._attacker["id"], within_s) is not None

    def _mend(self, attack: Attack, before: Any) -> None:
        """Where an attack left something that the next one needs otherwise: begin anew."""
        from runtime.worker.chaos import look

        at = self._targets
        assert at is not None
        spoilt = attack.name.endswith("-sibling") and attack.seen is not None and attack.seen(at) != before
        pids = (at.sibling, at.front, at.zygote, self._attacker["pid"])
        is_whole = all(look.state_of(pid) == "runs" for pid in pids if pid)
        if is_whole and not spoilt and not self._has_ended():
            return
        self._find_again()
        self._sessions.end_all()
        self._prepare()

    def _find_again(self) -> None:
        """The server, which may have ended and be back, perhaps at another port."""
        from runtime.cli.api import api_of, read_server_file
        from runtime.cli.failure import CommandFailed, ExitCode

        deadline = time.monotonic() + _BACK_S
        while time.monotonic() < deadline:
            about = read_server_file(self._state_dir)
            if about is not None and self._serves(api := api_of(about, timeout_s=self._api.timeout_s)):
                if api.url != self._api.url or not self._exits.is_following:
                    self._exits = Exits(api)
                    self._exits.follow()
                self._api = self._sessions.api = api
                return
            time.sleep(0.05)
        raise CommandFailed(
            f"the server was ended by {self._last[0].name if self._last else 'nobody'}, and is not back",
            cure="What was tried before stands above; its log says what became of it.",
            exit_code=ExitCode.NOT_READY,
        )

    def _serves(self, api: Api) -> bool:
        """Whether a server is there and has loaded both programs."""
        from runtime.cli.failure import CommandFailed

        try:
            ready = {one["path"] for one in api.get("/workers")["endpoints"] if one["state"] == "ready"}
        except (CommandFailed, TypeError):
            return False
        return {self._target, self._probe} <= ready


class Watch:
    """Looks at a victim while it is entered, and puts right at once what an attack did to it.

    Attributes:
        before: What the victim showed before.
        changed: It showed something else.
    """

    def __init__(self, attack: Attack, at: Targets) -> None:
        self._attack, self._at = attack, at
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch")
        self.before: Any = None
        self.changed = threading.Event()

    def __enter__(self) -> Watch:
        if self._attack.seen is not None:
            self.before = self._attack.seen(self._at)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        seen, undo = self._attack.seen, self._attack.undo
        if seen is None:
            return
        while not self.changed.is_set():
            is_over = self._over.wait(_LOOK_S)  # one look more, for what came last
            if seen(self._at) != self.before:
                self.changed.set()
                if undo is not None:
                    undo(self._at, self.before)
            elif is_over:
                return


def _proves(attack: Attack, at: Targets, got: str) -> bool:
    if attack.proof is None:
        return bool(got)
    proof = attack.proof(at)
    return bool(proof) and proof in got


def _file(source: str) -> str:
    return str(Path(source).absolute()) if source else ""


def _chosen(attacks: str | None, known: Any) -> list[Attack]:
    from runtime.cli.failure import CommandFailed, ExitCode

    if attacks is None:
        return list(known.values())
    names = [name.strip() for name in attacks.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        cure = "Known: " + "; ".join(f"{name} ({one.what})" for name, one in known.items()) + "."
        wrong = ", ".join(unknown) or repr(attacks)
        raise CommandFailed(f"no attack is called {wrong}", cure=cure, exit_code=ExitCode.USAGE)
    return [one for name, one in known.items() if name in names]  # in their order, whatever was written


def _summary(results: list[Attacked], level: Level) -> str:
    tried = [one for one in results if one.result != NOT_TRIED]
    kept = [one for one in tried if one.result != GOT_THROUGH]
    broken = [one for one in tried if not one.is_well]
    told = f"{len(kept)}/{len(tried)} attacks came to nothing"
    through = [one for one in broken if one.result == GOT_THROUGH]
    if left := len(tried) - len(kept) - len(through):
        told += f"; {left} worked that {str(level)!r} does not promise to refuse"
    if untold := [one.attack for one in broken if one.is_untold]:
        told += f"; NOBODY TOLD OF {', '.join(untold)}"
    if through:
        told += f"; {len(through)} WORKED ALTHOUGH {str(level)!r} PROMISES TO REFUSE THEM"
    return told


def _tell(one: Attacked) -> None:
    by = one.refused_by or {NOT_TRIED: f"not tried: {one.detail}"}.get(one.result, one.result)
    color = "green" if one.result in (REFUSED, NO_EFFECT) else "dim" if one.result == NOT_TRIED else "red"
    if one.result == GOT_THROUGH and one.is_well:
        color, by = "yellow", f"nobody ({one.level or 'no level'} would)"
    last = f"{one.p99_ms:.1f} ms" + (f", {one.lost} lost" if one.lost else "")
    line = clean(one.attack).ljust(_WIDTHS[0]) + paint(clean(by[: _WIDTHS[1] - 1]).ljust(_WIDTHS[1]), color)
    say((line + clean(one.event or ("NONE" if one.is_untold else "-")).ljust(_WIDTHS[2]) + last).rstrip())


def _line(cells: tuple[str, ...]) -> str:
    return "".join(clean(cell).ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False))
