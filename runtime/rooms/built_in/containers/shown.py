"""Images and containers as every release reads them."""

from __future__ import annotations

from typing import Any

from runtime.containers.contract import Box, Exit, Image


def image(one: Image) -> dict[str, Any]:
    """Older releases need `tags`, `size` and `labels`, newer ones the rest."""
    references = list(one.references)
    return {
        "id": one.id,
        "tags": references,
        "size": one.size_bytes,
        "labels": dict(one.labels),
        "manifest": None,
        "references": references,
        "preferred_ref": references[0] if references else None,
        "created_at": None,
        "updated_at": None,
        "target_media_type": None,
    }


def inspection(one: Image) -> dict[str, Any]:
    """An image by itself."""
    return {
        "image": image(one),
        "target": {"digest": one.id, "media_type": "", "size": one.size_bytes, "annotations": {}},
        "manifests": [],
        "layers": [],
        "config": None,
        "selected_manifest": None,
        "content_size": None,
    }


def box(one: Box) -> dict[str, Any]:
    """A container of the room."""
    return {
        "id": one.id,
        "name": one.name,
        "image": one.image,
        "image_id": one.image_id,
        "state": one.state,
        "status": one.status,
        "started_by": {"id": one.starter.id, "name": one.starter.name},
        "private": one.private,
        "service_id": one.service_id,
        "ports": [{"container_port": inner, "host_port": outer} for inner, outer in one.ports.items()],
        "exit_status": None,
        "stats": None,
        "mounts": None,
    }


def exit_of(one: Exit) -> dict[str, Any]:
    """How it ended."""
    return {
        "exit_code": one.code,
        "reason": one.reason,
        "message": one.message,
        "oom_killed": one.oom_killed,
    }
