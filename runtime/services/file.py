"""The file that services, secrets, keys and webhooks are kept in: its tables, and one transaction at a time.

A change is answered when it is on the disk (``synchronous=FULL``), whole or not at all, so a server that is
killed at any write loses nothing that was answered.  The file is locked for one server, and is its owner's
alone; what is secret in it is sealed beside that (`runtime.wire.sealed`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.session.journal import file
from runtime.session.journal.open_file import OpenFile
from runtime.wire.sealed import Seal

Seals = Callable[[], Seal]
"""Gives what seals the secrets of the state folder, whose key is made with the first of them."""

SCHEMA: Final = file.Schema(
    (
        """
        CREATE TABLE services (
            id TEXT PRIMARY KEY,
            room TEXT NOT NULL,
            name TEXT NOT NULL,
            revision INTEGER NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (room, name)
        );
        CREATE TABLE revisions (
            service_id TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            at REAL NOT NULL,
            by TEXT NOT NULL,
            what TEXT NOT NULL,
            image_digest TEXT NOT NULL,
            secret_versions TEXT NOT NULL,
            spec BLOB NOT NULL,
            PRIMARY KEY (service_id, number)
        );
        CREATE TABLE secrets (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            name TEXT NOT NULL,
            type TEXT NOT NULL,
            current INTEGER NOT NULL,
            about TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            UNIQUE (owner, name)
        );
        CREATE TABLE secret_versions (
            secret_id TEXT NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            id TEXT NOT NULL UNIQUE,
            digest TEXT NOT NULL,
            by TEXT NOT NULL,
            at REAL NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (secret_id, number)
        );
        CREATE TABLE api_keys (
            id TEXT PRIMARY KEY,
            account TEXT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            by TEXT NOT NULL,
            created_at REAL NOT NULL,
            value BLOB NOT NULL
        );
        CREATE TABLE webhooks (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            url TEXT NOT NULL,
            events TEXT NOT NULL,
            action TEXT NOT NULL,
            payload TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            secret BLOB NOT NULL
        );
        CREATE TABLE deliveries (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
            event TEXT NOT NULL,
            body BLOB NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            next_at REAL NOT NULL,
            created_at REAL NOT NULL,
            ended_at REAL,
            status INTEGER NOT NULL,
            error TEXT NOT NULL
        );
        CREATE INDEX deliveries_waiting ON deliveries (next_at) WHERE state = 'waiting';
        CREATE INDEX deliveries_webhook ON deliveries (webhook_id, number)
        """,
    )
)


class ServicesFile(OpenFile):
    """The open file; make one with `open`.  A change is on the disk when `change` returns."""

    @classmethod
    async def open(cls, path: Path) -> ServicesFile:
        """Open the file, or make it; bring its tables up to date.

        Raises:
            JournalUnusable: Not readable, no such file of ours, from a newer version, or another server's.
        """
        db = await file.opened(path, SCHEMA)
        await db.execute("PRAGMA foreign_keys = ON")
        await db.execute("PRAGMA synchronous = FULL")
        return cls(db, path)
