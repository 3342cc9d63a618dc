"""The ``meshagent.*`` names: programs written for MeshAgent find our classes under them.  See `install`."""

from runtime.compat.finder import install

__all__ = ["install"]
