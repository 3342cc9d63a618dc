"""The HTTP client of the commands: which server, how to ask it, what its refusals mean."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from runtime.cli.failure import CommandFailed, ExitCode
from runtime.front.home.state_folder import own_part

DEFAULT_URL = "http://127.0.0.1:8080"
MAX_ANSWER_BYTES = 64 << 20
MAX_EVENT_LINE_BYTES = 4 << 20
_COMMANDS = (
    (re.compile(r"GET /workers\?all=1"), "`bulkhead ps -a`"),
    (re.compile(r"GET /workers/([^/\s]+)/crash\b"), r"`bulkhead crash show \1`"),
    (re.compile(r"GET /workers/([^/\s]+)/logs\b"), r"`bulkhead logs \1`"),
    (re.compile(r"POST /workers/([^/\s]+)/thaw\b"), r"`bulkhead thaw \1`"),
    (re.compile(r"GET /workers\b(?![/?])"), "`bulkhead ps`"),
    (re.compile(r"GET /crashes\b(?![/?])"), "`bulkhead crash list`"),
    (re.compile(r"GET /quarantine\b(?![/?])"), "`bulkhead quarantine list`"),
)
"""What a server says in requests, in the words of who types commands."""
_START_ONE = "Start one with `bulkhead serve` (or `bulkhead demo`), or name one with --url or BULKHEAD_URL."


class Answer(msgspec.Struct, frozen=True):
    """A response that was not an error."""

    status: int
    headers: Mapping[str, str]
    body: Any


class ServerEvent(msgspec.Struct, frozen=True):
    """One server-sent event."""

    id: str
    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class Api:
    """One server.

    Attributes:
        url: Base address, such as ``http://127.0.0.1:8080``.
        token: Operator token, when the server asks for one.
        timeout_s: Longest silence of the server before a command gives up.
    """

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = 10.0

    def get(self, path: str) -> Any:
        """The JSON at a path.  Raises CommandFailed as every method here does."""
        return self.request("GET", path).body

    def download(self, path: str) -> bytes:
        """The bytes at a path."""
        with self._reach(self.timeout_s) as connection:
            connection.request("GET", self._path(path), headers=self._auth())
            response = connection.getresponse()
            raw = response.read(MAX_ANSWER_BYTES)
        if response.status >= 400:
            raise _refusal(self, path, response.status, _decode(raw))
        return raw

    def post(
        self,
        path: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send JSON (or ready-made bytes, for a body that is signed)."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, payload, sent, timeout_s)

    def delete(self, path: str, *, timeout_s: float | None = None) -> Any:
        return self.request("DELETE", path, timeout_s=timeout_s).body

    def request(
        self,
        method: str,
        path: str,
        payload: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        with self._reach(timeout_s or self.timeout_s) as connection:
            connection.request(method, self._path(path), payload, {**self._auth(), **(headers or {})})
            response = connection.getresponse()
            raw = response.read(MAX_ANSWER_BYTES)
        kind = response.headers.get("Content-Type", "")
        body = _decode(raw) if "json" in kind else raw.decode(errors="replace")
        if response.status >= 400:
            raise _refusal(self, path, response.status, body)
        return Answer(response.status, dict(response.headers.items()), body)

    def events(self, path: str = "/events", *, last_id: str = "") -> Iterator[ServerEvent]:
        """Server-sent events until the server ends the stream; silence is no reason to stop."""
        headers = {"Accept": "text/event-stream", **self._auth()}
        if last_id:
            headers["Last-Event-ID"] = last_id
        with self._reach(self.timeout_s) as connection:
            connection.request("GET", self._path(path), headers=headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _refusal(self, path, response.status, _decode(response.read(MAX_ANSWER_BYTES)))
            if connection.sock is not None:
                connection.sock.settimeout(None)
            yield from _parse_events(response)

    def is_alive(self) -> bool:
        """Something that answers as Bulkhead does is there."""
        try:
            answer = Api(self.url, self.token, timeout_s=min(self.timeout_s, 2.0)).get("/healthz")
        except CommandFailed:
            return False
        return isinstance(answer, dict) and "version" in answer

    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _path(self, path: str) -> str:
        return urlsplit(self.url).path.rstrip("/") + path

    @contextmanager
    def _reach(self, timeout_s: float) -> Iterator[http.client.HTTPConnection]:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:  # of its port, or of an address of version 6
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise CommandFailed(
                f"{self.url!r} is no server address",
                cure="Write it as http://127.0.0.1:8080.",
                exit_code=ExitCode.USAGE,
            )
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(host, port, timeout=timeout_s)
        try:
            yield connection
        except TimeoutError as error:
            message = f"{self.url} did not answer within {timeout_s:g} s"
            raise _not_ready(message, "Is it overloaded? Its log tells.") from error
        except (ConnectionRefusedError, socket.gaierror, FileNotFoundError) as error:
            raise _not_ready(f"no server is running at {self.url}", _START_ONE) from error
        except (OSError, http.client.HTTPException) as error:
            message = f"the connection to {self.url} broke: {error or type(error).__name__}"
            raise _not_ready(message, "Is the server still running?") from error
        finally:
            connection.close()


def find_server(url: str | None, *, state_dir: Path | None = None, timeout_s: float = 10.0) -> Api:
    """The server a command means: the one named, else the one running in this folder, else the one that
    listens where the settings say.

    Raises:
        CommandFailed: None is running; says how to start one.
        ConfigError: Where one would listen cannot be read from the variables.
    """
    token = os.environ.get("BULKHEAD_API_TOKEN", "")
    if url:
        # `localhost:8080` is what people type; its host is no scheme.
        address = url if "://" in url else f"http://{url}"
        return api_at(address.rstrip("/"), state_dir=state_dir, timeout_s=timeout_s)
    for folder in _state_dirs(state_dir):
        if running_in(folder) and (about := read_server_file(folder)) is not None:
            return api_of(about, timeout_s=timeout_s)
    usual = Api(_usual_url(), token, timeout_s)
    if usual.is_alive():
        return usual
    raise _not_ready(f"no server is running here, and none answers at {usual.url}", _START_ONE)


def _usual_url() -> str:
    """Where a server would listen that is started with the settings of this folder.

    Raises:
        ConfigError: A variable cannot be used.
    """
    from runtime.errors import ConfigError
    from runtime.settings import load_settings, usual_file

    try:
        settings = load_settings(env=os.environ, file=usual_file())
    except ConfigError:  # the file may be a bundle's, which has other tables
        settings = load_settings(env=os.environ)
    server, origins = settings.server, settings.origins
    if not server.port or {origins["server.host"], origins["server.port"]} == {"default"}:
        return DEFAULT_URL
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::", "localhost") else server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"


def session_path(session: str) -> str:
    """The path of a session, whatever somebody typed for its id."""
    return f"/workers/{quote(session, safe='')}"


def told_paths(api: Api, paths: Iterable[str]) -> dict[str, str]:
    """Paths of endpoints as people are told them: of services that are kept, with their names."""
    from runtime.session.calls.deployed import service_of, told_path

    told = {path: path for path in paths}
    if any(service_of(path) for path in told):
        served = api.get("/workers")["endpoints"]
        told |= {path: told_path(path, one["bundle"]) for one in served if (path := one["path"]) in told}
    return told


def project_path(api: Api) -> str:
    """The path of a server's only project."""
    return f"/accounts/projects/{api.get('/accounts/projects')['projects'][0]['id']}"


def api_at(url: str, *, state_dir: Path | None = None, timeout_s: float = 10.0) -> Api:
    """The server at an address; with its key when it is the one that runs in this folder."""
    named = url.replace("://localhost", "://127.0.0.1")
    for folder in _state_dirs(state_dir):
        if running_in(folder) == named and (about := read_server_file(folder)) is not None:
            return api_of(about, timeout_s=timeout_s)
    return Api(url, os.environ.get("BULKHEAD_API_TOKEN", ""), timeout_s)


def api_of(about: Mapping[str, Any], *, timeout_s: float = 10.0) -> Api:
    """The server that wrote this ``server.json``.

    Whoever can read its file may operate it, also where it does not listen on loopback: the file has a key.
    """
    token = os.environ.get("BULKHEAD_API_TOKEN", "") or str(about.get("key", ""))
    return Api(str(about["url"]).rstrip("/"), token, timeout_s)


def running_in(state_dir: Path) -> str | None:
    """The address of the live server that keeps its state in this folder."""
    about = read_server_file(state_dir)
    if about is None or not _is_alive(about.get("pid")):
        return None
    return str(about["url"]).rstrip("/")


def others_here(api: Api) -> Iterator[Api]:
    """Other servers that run in this folder: `service run` has one beside that of `serve`."""
    for folder in _state_dirs(None):
        if running_in(folder) not in (None, api.url) and (about := read_server_file(folder)) is not None:
            yield api_of(about)


def home_of(api: Api) -> Path:
    """The state folder of a server that runs on this machine.

    Raises:
        CommandFailed: It is none of those that are looked for from here.
    """
    for folder in _state_dirs(None):
        if running_in(folder) == api.url:
            return folder.absolute()
    raise CommandFailed(
        f"the state folder of {api.url} is not known here",
        cure="Run this where the server runs, in its folder, or with BULKHEAD_STATE_DIR set as it is there.",
        exit_code=ExitCode.USAGE,
    )


def read_server_file(state_dir: Path) -> dict[str, Any] | None:
    """``server.json`` as the front wrote it; None when there is none or it is half written."""
    try:
        about = json.loads((state_dir / "server.json").read_text())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and "url" in about else None


def _state_dirs(state_dir: Path | None) -> Iterator[Path]:
    set_in_env = os.environ.get("BULKHEAD_STATE_DIR")
    named = state_dir or (Path(set_in_env) if set_in_env else None)
    bases = [named] if named else [parent / ".bulkhead" for parent in (Path.cwd(), *Path.cwd().parents)]
    for base in bases:
        for folder in (base, base / "run"):
            yield folder
            yield own_part(folder)


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _decode(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


def _not_ready(message: str, cure: str) -> CommandFailed:
    return CommandFailed(message, cure=cure, exit_code=ExitCode.NOT_READY)


def _refusal(api: Api, path: str, status: int, body: Any) -> CommandFailed:
    """What an answer that refuses means to whoever typed the command."""
    title, cure, code = f"{api.url}{path} answered {status}", "", ""
    if isinstance(body, dict):
        title, cure = str(body.get("title") or title), str(body.get("detail") or "")
        code = str(body.get("type") or "").rpartition(":")[2]
        if isinstance(body.get("cure"), str) and cure:
            # Then the detail begins with what happened, which says more than its title.
            title, cure = cure.removesuffix(body["cure"]).strip() or title, body["cure"]
        elif code == "invalid_request" and cure:
            title, cure = cure, ""
        elif code == "not_found":
            title = f"nothing is served at {api.url}{path}"
            cure = "Is this the address of a server that is as new as this command?"
    if code in ("token_required", "token_invalid"):
        title = f"{api.url} {'does not take this token' if api.token else 'asks for a token'}"
        cure = "Set BULKHEAD_API_TOKEN to the server's own, or to an API key of its project."
    exit_code = ExitCode.AUTH if status in (401, 403) else ExitCode.FAILED
    if status in (429, 503, 504):
        exit_code = ExitCode.NOT_READY
    return CommandFailed(title.removesuffix("."), cure=_in_commands(cure), exit_code=exit_code, problem=code)


def _in_commands(detail: str) -> str:
    for request, command in _COMMANDS:
        detail = request.sub(command, detail)
    return detail


def _parse_events(response: http.client.HTTPResponse) -> Iterator[ServerEvent]:
    identity, name, data = "", "message", list[str]()
    while line := response.readline(MAX_EVENT_LINE_BYTES):
        text = line.decode(errors="replace").rstrip("\r\n")
        key, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not text:
            if data:
                yield ServerEvent(identity, name, _decode("\n".join(data).encode()))
            name, data = "message", []
        elif key == "id":
            identity = value
        elif key == "event":
            name = value
        elif key == "data":
            data.append(value)
