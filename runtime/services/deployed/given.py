"""What a bundle that was sent here is given: its manifest, and its variables with the secrets in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.services.deployed.programs import Declared, Recorded
from runtime.services.given import Given
from runtime.services.service import Spec
from runtime.services.store import Store
from runtime.session.calls.deployed import reference
from runtime.wire.manifest.manifest import read


def manifest(
    name: str,
    digest: str,
    endpoints: Sequence[Declared],
    environment: Sequence[Mapping[str, Any]],
    before: Spec | None,
) -> Spec:
    """The manifest of a service, in its normal form.

    Args:
        digest: Of the bundle.
        environment: As manifests have it.
        before: What the service was; None for a new one.

    Raises:
        ManifestInvalid: What the bundle declares, or the environment, does not fit into one.
    """
    listed = [
        {
            "path": one.path,
            "meshagent": {
                "identity": one.identity,
                **({} if one.permissions is None else {"api": one.permissions}),
            },
        }
        for one in endpoints
    ]
    kept = {key: value for key, value in (before or {}).items() if key in ("metadata", "agents", "enabled")}
    container = {
        key: value for key, value in ((before or {}).get("container") or {}).items() if key == "secrets"
    }
    spec = {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        **kept,
        "ports": [{"num": "*", "liveness": "/", "endpoints": listed}],
        "container": {
            **container,
            "image": reference(name, digest),
            "environment": [dict(one) for one in environment],
        },
    }
    return read(json.dumps(spec), creating=True).spec


def recorded(spec: Spec) -> Recorded:
    """What was written down of a bundle's endpoints when it was deployed; see `manifest`."""
    rows = [row for port in spec.get("ports", ()) for row in port.get("endpoints", ())]
    given = [(row["path"], row.get("meshagent") or {}) for row in rows]
    return {path: (str(one.get("identity", "")), one.get("api")) for path, one in given}


async def variables(spec: Spec, store: Store, versions: Mapping[str, int]) -> dict[str, str]:
    """The variables that a manifest gives, with the secrets in these versions, or the current ones.

    Tokens are left out: each session has its own.

    Raises:
        NotFound, SecretMissing: A secret is not kept, or not what it is taken for.
    """
    return await Given(store, versions).environment(spec["container"])
