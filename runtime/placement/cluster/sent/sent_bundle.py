"""A bundle that was sent to a front, and what of it is believed of nodes.  Pure.

What it declares only the machines know that run it: its endpoints, and the names and rights of its sessions.
So they have to agree when it is deployed; what they said is written down then, and counts from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from runtime.errors import BundleError
from runtime.placement.cluster import messages as say
from runtime.services.deployed.programs import Declared, Recorded
from runtime.session.info import EndpointInfo


@dataclass(slots=True, eq=False)
class SentBundle:
    """A bundle of one digest, with variables, as nodes are to have it.

    Attributes:
        id: No other has it, in no life of a front.
        folder: Where it is kept here; called like its digest.
        service: Whose new sessions are of it; empty before it is anybody's.
        recorded: What was written down of its endpoints when it was deployed; None while it is.
        endpoints: As nodes say that loaded it: all the same, or as it is recorded.
        declared: What such nodes say of their names and rights.
        is_loaded: All that could load it have tried: what they declared counts, if nothing is recorded.
        believed: What was looked at already, by node.
    """

    id: str
    name: str
    folder: Path
    env: Mapping[str, str] = field(repr=False)
    recorded: Recorded | None = None
    service: str = ""
    endpoints: list[EndpointInfo] = field(default_factory=list)
    declared: Recorded | None = None
    is_loaded: bool = False
    believed: dict[str, list[EndpointInfo]] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        return self.folder.name

    def believes(self, node: str, have: say.Have) -> bool:
        """Whether a node declares what it has to; it may widen rights, or take another's name, otherwise.

        What is recorded counts, and else what the others say; before all did, nobody's word does (`take`).
        """
        if self.recorded is None and not self.is_loaded:
            return True
        if self.declared is None or self.believed.get(node) is have.endpoints:
            return True
        found = _declared(have.endpoints)
        if found != self.declared:
            if found != self.recorded:
                return False
            self.declared, self.endpoints = found, [row for row in have.endpoints if row.path]
            self.believed.clear()  # who came before it is looked at again
        self.believed[node] = have.endpoints
        return True

    def take(self, said: Mapping[str, say.Have]) -> None:
        """These nodes have it ready: what it declares is known with that.

        Raises:
            BundleError: They do not agree, and nothing is recorded.
        """
        if not said:
            return
        declared = {name: _declared(have.endpoints) for name, have in said.items()}
        first = next((name for name in said if declared[name] == self.recorded), next(iter(said)))
        other = next((name for name in said if declared[name] != declared[first]), None)
        if self.recorded is None and other is not None:
            where = _apart(declared[first], declared[other])
            raise BundleError(
                f"{first} and {other} say different things of {self.name}: {where}",
                cure="It has to declare the same wherever it runs. If it does, one of them runs other code: "
                "look at both, and let that one in no more (bulkhead nodes remove).",
            )
        if self.declared is None or self.recorded is None:  # who spoke first may be gone
            self.declared = declared[first]
            rows, known = [row for row in said[first].endpoints if row.path], self.recorded
            if known:  # whatever the only node says that is there
                rows = [
                    replace(row, identity=known[row.path][0], permissions=known[row.path][1])
                    for row in rows
                    if row.path in known
                ]
            self.endpoints = rows


def _declared(rows: Iterable[Declared]) -> Recorded:
    return {row.path: (row.identity, row.permissions) for row in rows if row.path}


def _apart(one: Recorded, other: Recorded) -> str:
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return ", ".join(paths[:5])
