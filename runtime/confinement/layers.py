"""From what was asked for, layer by layer, to the policy that holds.

The server's settings come first, then the bundle's file, then the decorator.  A level may only become
stricter on the way and a network only narrower; files add up, each checked against the ground.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import msgspec

from runtime.confinement.confine import Confine, Network
from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy, network_covers, outermost
from runtime.errors import BundleError


class Asked(msgspec.Struct, frozen=True):
    """What somebody asks for, and who: ``the server's settings``, ``chat.toml``, ``@service.path("/x")``.

    Attributes:
        is_servers: Whoever runs the server says it: not bound by what bundles may be granted.
    """

    confine: Confine
    source: str
    is_servers: bool = False


def policy_of(layers: Sequence[Asked], ground: Ground) -> Policy:
    """What holds where all of `layers` are said, the server's first.

    Where the level is off nothing is kept, so no path is looked at.

    Raises:
        BundleError: A layer asks for more than those before it leave, or for what may not be granted.
    """
    level = _level(layers)
    network = _network(layers, level)
    shm, gpu = _shm(layers, level), _gpu(layers, ground)
    if level is Level.OFF:
        return Policy()
    return Policy(
        level=level,
        read=outermost(_granted(layers, "read", ground)),
        write=outermost(_granted(layers, "write", ground)),
        shm=shm,
        gpu=gpu,
        network=network,
    )


def union_of(policies: Iterable[Policy]) -> Policy:
    """The least policy that covers all; one at least."""
    return reduce(Policy.union, policies)


def _level(layers: Sequence[Asked]) -> Level:
    level, said_by = Level.OFF, "nobody"
    for asked in layers:
        wanted = asked.confine.level
        if wanted is None:
            continue
        if wanted < level:
            raise BundleError(
                f'{asked.source}: level = "{wanted}" is looser than "{level}", which {said_by} asks for',
                cure="Leave it out, or have whoever runs the server lower confinement.level.",
            )
        level, said_by = wanted, asked.source
    return level


def _network(layers: Sequence[Asked], level: Level) -> Network:
    network: Network | None = None
    said_by = ""
    for asked in layers:
        wanted = asked.confine.network
        if wanted is None:
            continue
        if network is not None and not network_covers(network, wanted):
            raise BundleError(
                f"{asked.source}: network = {_shown(wanted)} is wider than {_shown(network)}, "
                f"which {said_by} leaves",
                cure="Name what is allowed there or less, or have whoever runs the server widen it.",
            )
        network, said_by = wanted, asked.source
    if network is None:
        return "none" if level is Level.STRICT else "all"
    if network != "all" and level is not Level.STRICT:
        raise BundleError(
            f'{said_by}: network = {_shown(network)} is kept at level "strict" alone, and this is "{level}"',
            cure='Say level="strict" beside it, or leave network out.',
        )
    return network


def _shm(layers: Sequence[Asked], level: Level) -> bool:
    shm, _ = _narrowing(layers, "shm")
    return level is not Level.STRICT if shm is None else shm


def _gpu(layers: Sequence[Asked], ground: Ground) -> bool:
    gpu, asked = _narrowing(layers, "gpu")
    if gpu and asked is not None and not asked.is_servers and not ground.may_use_devices():
        raise BundleError(
            f"{asked.source}: gpu = true, and devices are not among what this server grants",
            cure="Leave it out, or have whoever runs the server add /dev to confinement.grantable.",
        )
    return bool(gpu)


def _narrowing(layers: Sequence[Asked], key: str) -> tuple[bool | None, Asked | None]:
    """The last word, and who was the first to say it; a no is never taken back."""
    value: bool | None = None
    said_by: Asked | None = None
    for asked in layers:
        wanted: bool | None = getattr(asked.confine, key)
        if wanted is None or wanted == value:
            continue
        if wanted and said_by is not None:
            raise BundleError(
                f"{asked.source}: {key} = true, but it is forbidden by {said_by.source}",
                cure=f"Leave it out, or have whoever runs the server allow confinement.{key}.",
            )
        value, said_by = wanted, asked
    return value, said_by


def _granted(layers: Sequence[Asked], key: str, ground: Ground) -> tuple[str, ...]:
    return tuple(
        ground.checked(text, key=key, source=asked.source, is_servers=asked.is_servers)
        for asked in layers
        for text in getattr(asked.confine, key)
    )


def _shown(network: Network) -> str:
    return f'"{network}"' if isinstance(network, str) else f"[{', '.join(network)}]"
