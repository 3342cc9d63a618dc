"""All attacks, and how a session tries one; loaded in a worker only when its front asks for that.

What came of it is a line of the session's log, ``attack.tried``, because that is what every session may say.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Final

import structlog

from runtime.worker.chaos import files, inodes, kernel, memory, network, processes
from runtime.worker.chaos.attack import Attack, NotHere, Refused, Targets
from runtime.worker.refused import causes

EVENT: Final = "attack.tried"
NOT_HERE: Final = "not here"

ATTACKS: Final[Mapping[str, Attack]] = {
    attack.name: attack
    for catalogue in (
        files.reading,
        files.writing,
        inodes.inodes,
        memory.memory,
        network.doors,
        network.sockets,
        kernel.shared,
        kernel.rare,
        processes.scheduling,
        processes.signals,  # the last of them leave nothing to attack
    )
    for attack in catalogue.attacks
}

log = structlog.get_logger("worker")


async def attempt(name: str, told: Mapping[str, Any], room: Any) -> None:
    """Try an attack on those that `told` names (`Targets.plain`), and log what came of it."""
    attack = ATTACKS[name]
    account = None if (calls := causes.calls()) is None else calls.account
    last = None if account is None else next(account.latest(), None)
    got, error, detail = "", "", ""
    try:
        if attack.as_root and os.geteuid():
            raise NotHere("only root could")
        answer = attack.attempt(Targets.of(told, room))
        got = str((await answer if inspect.isawaitable(answer) else answer) or "")
    except NotHere as why:
        error, detail = NOT_HERE, str(why)
    except Refused as why:
        error = str(why)
    except OSError as why:
        error = errno.errorcode.get(why.errno or 0, type(why).__name__)
        detail = str(why)
    except Exception as why:  # noqa: BLE001 - an attack that is itself wrong must be told, not end the session
        error, detail = type(why).__name__, str(why)
    # Told to the front by itself, at most once a second: too late to know which attack it belongs to.
    noted = [] if account is None else takewhile(lambda one: one is not last, account.latest())
    answered = {
        "attack": name,
        "turn": told.get("turn", 0),
        "got": got,
        "error": error,
        "detail": detail[:200],
    }
    log.info(EVENT, told=json.dumps({**answered, "noted": sorted({one.rule for one in noted})}))
