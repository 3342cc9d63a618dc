from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime import logs
from runtime.front.access.browser_sessions import CODE_S
from runtime.front.access.origin import Origin, Origins
from runtime.front.studio import pages as studio
from runtime.settings import LogSettings
from tests.front.conftest import Answer

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

FAR = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the built pages."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Studio</title>")
    (folder / "studio.js").write_text("let a = 1;\n" * 200)
    monkeypatch.setattr(studio, "STATIC", folder)
    return folder


def cookie(answer: Answer) -> str:
    return answer.headers["set-cookie"].split(";")[0]


def key(folder: Path) -> dict[str, str]:
    """The header that commands send."""
    about = json.loads((folder / "state" / "server.json").read_text())
    return {"Authorization": f"Bearer {about['key']}"}


async def test_every_page_is_the_one_page_and_files_are_themselves(serving: Any, built: Path) -> None:
    async with serving() as site:
        for path in (
            "/studio/",
            "/studio/rooms/my.room",
            "/studio/sessions/s_1/crash",
            "/studio/rooms/a%2Fb",
        ):
            answer = await site.get(path)
            assert (answer.status, answer.body[:15]) == (200, b"<!doctype html>"), path
        script = await site.get("/studio/studio.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        for path in ("/studio/other.js", "/studio/../studio.py", "/studio/%2e%2e/studio.py", "/studio/.x"):
            missing = await site.get(path)
            assert b"import" not in missing.body
            assert missing.status == 404 or missing.body[:15] == b"<!doctype html>", path
        assert (await site.get("/studio/other.js")).json["type"] == "urn:bulkhead:problem:not_found"
        moved = await site.get("/studio")
        assert (moved.status, moved.headers["location"]) == (308, "/studio/")


async def test_pages_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(
    serving: Any, built: Path
) -> None:
    async with serving() as site:
        for path in (
            "/studio/",
            "/studio/studio.js",
            "/studio/me",
            "/studio/none.js",
            "/studio/enter?code=x",
        ):
            headers = (await site.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_an_opener_policy_is_sent_where_browsers_heed_one(serving: Any, built: Path) -> None:
    name = "cross-origin-opener-policy"
    async with serving(host="0.0.0.0", api_token="t0ken") as site:
        assert name not in (await site.get("/studio/", Host="192.0.2.2:8080")).headers
        assert name not in (await site.get("/studio/", Host="localhost.example:8080")).headers
        assert name in (await site.get("/studio/", Host="localhost:8080")).headers
        assert name in (await site.get("/studio/", Host="[::1]:8080")).headers
        encrypted = {"Host": "studio.example", "X_Forwarded_Proto": "https"}
        assert name in (await site.get("/studio/", **encrypted)).headers


async def test_what_did_not_change_is_not_sent_again(serving: Any, built: Path) -> None:
    async with serving() as site:
        first = await site.get("/studio/studio.js")
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "no-cache"
        again = await site.get("/studio/studio.js", If_None_Match=f'"other", W/{tag}')
        assert (again.status, again.body) == (304, b"")
        packed = await site.get("/studio/studio.js", Accept_Encoding="gzip, br")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["etag"] != tag
        assert gzip.decompress(packed.body) == first.body
        (built / "studio.js").write_text("let b = 2;")
        newer = await site.get("/studio/studio.js", If_None_Match=tag)
        assert (newer.status, newer.body) == (200, b"let b = 2;")


async def test_an_installation_without_the_pages_says_so(serving: Any, built: Path) -> None:
    (built / "index.html").unlink()
    async with serving() as site:
        answer = await site.get("/studio/rooms")
        assert (answer.status, answer.json["type"]) == (503, "urn:bulkhead:problem:studio_missing")


async def test_on_this_machine_a_plain_link_is_enough(serving: Any, built: Path) -> None:
    async with serving() as site:
        link = (await site.post("/studio/links", b'{"room": "a b"}')).json
        assert link == {"url": f"{site.server.url}/studio/rooms/a%20b", "expires_in_s": None}
        me = (await site.get("/studio/me")).json
        assert (me["access"], me["model"], me["chaos"]) == ("local", "offline", False)
        refused = await site.post("/studio/links", b'{"room": "no/room"}')
        assert (refused.status, refused.json["type"]) == (400, "urn:bulkhead:problem:invalid_request")


@pytest.mark.parametrize("told", [True, False])
async def test_a_link_with_a_code_lets_in_whose_browser_it_is_cannot_be_told(
    serving: Any, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    # As behind ssh -L, where sshd connects; or on a kernel that does not tell whose a socket is.
    if told:
        monkeypatch.setattr(Origins, "_search", lambda self, socket: Origin.OTHER_USER)
    else:
        monkeypatch.setattr("runtime.front.access.peer_socket._NETLINK_SOCK_DIAG", 30)
    async with serving() as site:
        refused = await site.get("/workers")
        assert refused.status == 401
        assert "open the link that `bulkhead studio` prints" in refused.json["detail"]
        plain = (await site.post("/studio/links", b"{}", key(tmp_path))).json
        assert (plain["expires_in_s"] is None) == told  # of no use where nobody can be told from anybody
        body = b'{"room": "demo", "code": true}'
        link = (await site.post("/studio/links", body, key(tmp_path))).json
        assert link["expires_in_s"] == CODE_S
        entered = await site.get(link["url"].removeprefix(site.server.url))
        assert (entered.status, entered.headers["location"]) == (303, "/studio/rooms/demo")
        inside = {"Cookie": cookie(entered)}
        assert (await site.ask("GET", "/workers", headers=inside)).status == 200
        assert (await site.ask("GET", "/studio/me", headers=inside)).json["access"] == "cookie"


async def test_from_elsewhere_a_link_of_the_terminal_lets_one_browser_in(
    serving: Any, built: Path, capsys: pytest.CaptureFixture[str], logging_as_before: None
) -> None:
    logs.configure(LogSettings(), stream=sys.stdout)
    async with serving(host="0.0.0.0") as site:
        stranger = await site.get("/studio/me", X_Forwarded_For="203.0.113.7")
        assert stranger.json["access"] == "none"
        assert (await site.get("/workers", X_Forwarded_For="203.0.113.7")).status == 403
        assert (await site.get("/studio/", X_Forwarded_For="203.0.113.7")).status == 200
        link = (await site.post("/studio/links", b'{"room": "demo"}')).json
        assert link["expires_in_s"] == CODE_S
        path = link["url"].removeprefix(site.server.url)
        assert re.fullmatch(r"/studio/rooms/demo\?t=[\w-]{32}", path)
        await site.ask("HEAD", path, headers=FAR)  # whoever only looks does not use the code up
        await site.ask("GET", path, headers={**FAR, "Sec-Purpose": "prefetch"})
        entered = await site.ask("GET", path, headers=FAR)
        assert (entered.status, entered.headers["location"]) == (303, "/studio/rooms/demo")
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            assert part in entered.headers["set-cookie"]
        assert "Secure" not in entered.headers["set-cookie"]
        inside = {**FAR, "Cookie": cookie(entered)}
        assert (await site.ask("GET", "/workers", headers=inside)).status == 200
        assert (await site.ask("GET", "/studio/me", headers=inside)).json["access"] == "cookie"
        # Not the account of the server's process, which all who come by a link would share.
        assert (await site.ask("GET", "/studio/me", headers=inside)).json["name"] == ""
        used = await site.ask("GET", path, headers=FAR)
        assert used.status == 403
        assert "set-cookie" not in used.headers
        assert b"bulkhead studio" in used.body
        opened_again = await site.ask("GET", path, headers=inside)
        assert (opened_again.status, opened_again.headers["location"]) == (303, "/studio/rooms/demo")
        code = path.partition("?t=")[2]
        logged = "".join(capsys.readouterr())
        assert "server.started" in logged
        assert code not in logged


async def test_a_cookie_is_no_use_to_other_sites_pages(serving: Any, built: Path) -> None:
    async with serving(host="0.0.0.0") as site:
        path = (await site.post("/studio/links", b"{}")).json["url"].removeprefix(site.server.url)
        inside = {**FAR, "Cookie": cookie(await site.ask("GET", path, headers=FAR))}
        tries = (
            ({}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
            ({"Origin": "http://localhost"}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
        )
        for headers, status in tries:
            answer = await site.post("/rooms/demo/token", b'{"name": "ada"}', {**inside, **headers})
            assert answer.status == status, headers
            called = await site.post("/chat", headers={**inside, **headers})
            assert called.status == status, headers


async def test_leaving_ends_the_visit(serving: Any, built: Path) -> None:
    async with serving(host="0.0.0.0") as site:
        path = (await site.post("/studio/links", b"{}")).json["url"].removeprefix(site.server.url)
        inside = {**FAR, "Cookie": cookie(await site.ask("GET", path, headers=FAR))}
        left = await site.ask("POST", "/studio/leave", headers={**inside, "Origin": "http://localhost"})
        assert left.status == 200
        assert "Expires=Thu, 01 Jan 1970" in left.headers["set-cookie"]
        assert (await site.ask("GET", "/workers", headers=inside)).status == 403


async def test_a_cookie_is_for_encrypted_connections_where_there_are_such(
    serving: Any, built: Path, tmp_path: Path
) -> None:
    async with serving(public_url="https://agents.example") as site:
        link = (await site.post("/studio/links", b"{}", key(tmp_path))).json["url"]
        assert link.startswith("https://agents.example/studio/?t=")
        path = link.removeprefix("https://agents.example")
        entered = await site.ask("GET", path, headers={**FAR, "Host": "agents.example"})
        assert "Secure" in entered.headers["set-cookie"]


async def test_where_calls_are_signed_a_link_of_the_terminal_lets_a_browser_call(
    serving: Any, built: Path, tmp_path: Path
) -> None:
    async with serving(webhook_secret="s3cret-s3cret") as site:
        assert (await site.post("/chat")).status == 401
        me = await site.get("/studio/me", Sec_Fetch_Site="same-origin")
        assert (me.json["access"], "set-cookie" in me.headers) == ("none", False)
        assert (await site.post("/studio/links", b"{}")).status == 401
        link = (await site.post("/studio/links", b"{}", key(tmp_path))).json["url"]
        entered = await site.get(link.removeprefix(site.server.url))
        page = {"Cookie": cookie(entered), "Sec-Fetch-Site": "same-origin"}
        assert (await site.post("/chat", headers=page)).status == 200
        assert (await site.post("/chat", headers=page | {"Sec-Fetch-Site": "cross-site"})).status == 403


async def test_the_key_of_the_servers_own_file_operates_it(serving: Any, built: Path, tmp_path: Path) -> None:
    async with serving(api_token="t0ken") as site:
        far = {**FAR, **key(tmp_path)}
        assert (await site.ask("GET", "/workers", headers=far)).status == 200
        assert (await site.ask("GET", "/workers", headers=FAR)).status == 401
