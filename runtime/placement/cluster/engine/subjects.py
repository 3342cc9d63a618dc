"""The names under which messages travel, and who may use which.  Pure."""

from __future__ import annotations

import re

import msgspec

from runtime.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def checked(name: str, what: str = "node") -> str:
    """A name that can stand in a subject.

    Raises:
        ConfigError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:80]!r} is no name for a {what}",
            cure="Use letters, digits, - and _, at most 64 of them.",
        )
    return name


def slug(name: str) -> str:
    """The nearest name that can stand in a subject."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:64].strip("-") or "node"


class Subjects(msgspec.Struct, frozen=True):
    """Those of one cluster."""

    cluster: str

    def do(self, node: str) -> str:
        """What a node is asked."""
        return f"bh.{self.cluster}.n.{node}.do"

    def read(self, node: str) -> str:
        """What a node is asked about its sessions, in no order."""
        return f"bh.{self.cluster}.n.{node}.read"

    def fetch(self, front: str, node: str = "*") -> str:
        """Where a node fetches a front's bundles."""
        return f"bh.{self.cluster}.n.{node}.fetch.{front}"

    def beat(self, node: str = "*") -> str:
        """A node's beats."""
        return f"bh.{self.cluster}.n.{node}.beat"

    def samples(self, node: str = "*") -> str:
        """A node's figures."""
        return f"bh.{self.cluster}.n.{node}.samples"

    def events(self, front: str, node: str = "*") -> str:
        """What a node tells a front."""
        return f"bh.{self.cluster}.f.{front}.events.{node}"

    def front_beat(self, front: str = "*") -> str:
        """A front's beats."""
        return f"bh.{self.cluster}.f.{front}.beat"

    def join(self) -> str:
        """Where a machine asks to become a node."""
        return f"bh.{self.cluster}.join"

    def leave(self) -> str:
        """Where a front is told to let a node in no more; nodes may not say it."""
        return f"bh.{self.cluster}.leave"

    def permissions(self, node: str) -> dict[str, list[str]]:
        """What a node may send and hear: itself, and what fronts say to all."""
        return {
            "publish": [f"bh.{self.cluster}.n.{node}.>", self.events("*", node)],
            "subscribe": [self.do(node), self.read(node), self.front_beat()],
        }


def node_of(subject: str) -> str:
    """The node that stands in a subject, which nobody else may publish to."""
    parts = subject.split(".")
    return parts[5] if parts[2] == "f" else parts[3]
