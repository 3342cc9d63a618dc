"""What an engine is sent to make a container, and the files that are put into it; pure."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from runtime.containers.contract import Bind, Credential, FileAt, Most, RunSpec

PREFIX: Final = "bulkhead."
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_.-]+")
_TMP: Final = "rw,nosuid,nodev,mode=1777,size=64m"
_HUB: Final = "docker.io"


def body_of(
    spec: RunSpec,
    *,
    run: str,
    most: Most,
    log_bytes: int,
    publish: str,
    user: str = "",
    files_from: str = "",
) -> dict[str, Any]:
    """A container that is held as tightly as one may be: no capabilities, no new privileges, a fixed root.

    Args:
        most: How much it may use; 0 for no limit.
        run: Tells the containers of this run of the server from those of earlier ones.
        user: Whom it runs as; empty for whom its image says.
        files_from: A folder of the engine's machine that has the files to mount, by their place; empty to
            put them in afterwards.
    """
    binds = [
        f"{bind.source}:{bind.path}:{'ro' if bind.read_only else 'rw'}"
        for bind in spec.binds
        if not bind.within
    ]
    if files_from:
        binds += [f"{files_from}/{place}:{file.path}:ro" for place, file in enumerate(spec.files)]
    host: dict[str, Any] = {
        "AutoRemove": False,
        "Binds": binds,
        "CapDrop": ["ALL"],
        "Init": True,
        "LogConfig": {
            "Type": "local",
            "Config": {"max-size": str(log_bytes), "max-file": "1", "compress": "false"},
        },
        "PortBindings": {
            f"{inner}/tcp": [{"HostIp": publish, "HostPort": str(outer or "")}]
            for inner, outer in spec.ports.items()
        },
        "ReadonlyRootfs": not spec.writable,
        "RestartPolicy": {"Name": "no"},  # we start it again, or an engine would after our end
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": {"/tmp": _TMP} | dict.fromkeys(spec.empty_dirs, _TMP),
    }
    if most.memory_bytes:
        host |= {"Memory": most.memory_bytes, "MemorySwap": most.memory_bytes}
    if most.cpu:
        host["NanoCpus"] = int(most.cpu * 1e9)
    if most.pids:
        host["PidsLimit"] = most.pids
    mounts = [
        {
            "Type": "image",
            "Source": one.image,
            "Target": one.path,
            "ReadOnly": True,
            "ImageOptions": {"Subpath": one.subpath},
        }
        for one in spec.images
    ]
    mounts += [_volume(spec, name, bind, run) for name, bind in volumes_of(spec).items()]
    if mounts:
        host["Mounts"] = mounts
    ports = spec.ports
    env = {"MESHAGENT_HOST": "0.0.0.0"}
    for place, port in enumerate(ports):
        env["MESHAGENT_PORT" if place == 0 else f"MESHAGENT_PORT_{place}"] = str(port)
    env |= {"MESHAGENT_DATA": spec.binds[0].path} if spec.binds else {}
    made: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in (env | dict(spec.env)).items()],
        "ExposedPorts": {f"{inner}/tcp": {} for inner in ports},
        "HostConfig": host,
        "Labels": {f"{PREFIX}{key}": value for key, value in spec.labels.items()} | {f"{PREFIX}run": run},
    }
    if spec.argv is not None:
        made["Cmd"] = list(spec.argv)
    if spec.cwd:
        made["WorkingDir"] = spec.cwd
    if user:
        made["User"] = user
    return made


def volumes_of(spec: RunSpec) -> dict[str, Bind]:
    """Folders that are mounted as a part of a volume, by the volume's name.

    What an engine mounts by its path it looks for again when the container starts, and follows a link that is
    there by then.  A part of a volume it looks for below the volume, and never leaves that.
    """
    held = [bind for bind in spec.binds if bind.within]
    return {f"bh-{spec.id}-{place}": bind for place, bind in enumerate(held)}


def unheld(spec: RunSpec, shown: Mapping[str, Any]) -> str:
    """The first place at which an engine would mount the whole volume, as one does that knows no parts.

    Args:
        shown: The container as the engine made it.
    """
    kept = {
        one.get("Target"): (one.get("VolumeOptions") or {}).get("Subpath")
        for one in shown["HostConfig"].get("Mounts") or ()
    }
    wrong = (bind.path for bind in volumes_of(spec).values() if kept.get(bind.path) != _below(bind))
    return next(wrong, "")


def _below(bind: Bind) -> str:
    return str(PurePosixPath(bind.source).relative_to(bind.within))


def _volume(spec: RunSpec, name: str, bind: Bind, run: str) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": name,
        "Target": bind.path,
        "ReadOnly": bind.read_only,
        "VolumeOptions": {
            "NoCopy": True,
            "Subpath": _below(bind),
            "Labels": {f"{PREFIX}server": spec.labels.get("server", ""), f"{PREFIX}run": run},
            "DriverConfig": {
                "Name": "local",
                "Options": {"type": "none", "o": "bind", "device": bind.within},
            },
        },
    }


def name_of(spec: RunSpec) -> str:
    """What the engine calls it."""
    called = (spec.labels.get("room", ""), spec.name)
    words = (_NOT_IN_NAMES.sub("-", word).strip("-.")[:40] for word in called)
    return "-".join(("bh", *filter(None, words), spec.id[:6]))


def archive_of(files: Sequence[FileAt]) -> bytes:
    """The files as an archive of the container's root."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            data = file.text.encode()
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def registry_of(reference: str) -> str:
    """The registry that an image comes from."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _HUB


def auth_for(reference: str, credentials: Sequence[Credential]) -> dict[str, str] | None:
    """With what the image's registry is asked; None when nothing fits."""
    wanted = registry_of(reference)
    for one in credentials:
        if (one.registry or _HUB) in (wanted, f"https://{wanted}", f"index.{wanted}"):
            return {"username": one.username, "password": one.password, "serveraddress": wanted}
    return None


def whole(reference: str) -> str:
    """The reference with its registry, which a client needs to know whom it tells credentials."""
    if registry_of(reference) != _HUB or reference.startswith(f"{_HUB}/"):
        return reference
    return f"{_HUB}/{reference if '/' in reference else f'library/{reference}'}"


def without_credentials(text: str, credentials: Sequence[Credential]) -> str:
    """What a registry said, without what it was asked with."""
    for one in credentials:
        for secret in (one.password, one.username):
            if len(secret) > 2:
                text = text.replace(secret, "•••")
    return text
