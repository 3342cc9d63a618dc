"""``bulkhead chaos``: make sessions of one endpoint misbehave, and measure one of another meanwhile."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output


def chaos(
    target: Annotated[str, typer.Option("--target", help="Endpoint whose sessions misbehave: /chat.")],
    probe: Annotated[str, typer.Option("--probe", help="Endpoint whose session is measured meanwhile.")],
    faults: Annotated[
        str | None,
        typer.Option("--faults", help="Only these, with commas between.", show_default=False),
    ] = None,
    hostile: Annotated[
        bool, typer.Option("--hostile", help="Attacks on purpose, instead of faults that happen.")
    ] = False,
    each_s: Annotated[
        float, typer.Option("--each", min=0.05, help="Seconds to measure at each attack.", show_default=True)
    ] = 0.5,
    output: Form = Output.TABLE,
    url: Url = None,
) -> int:
    """Show that a session that fails leaves its siblings alone.

    Each fault befalls a session of the target, started for it in a room of its own making; running sessions
    are left alone.  Meanwhile a session of the probe in that room is asked, every 10 ms, for one round trip
    through the server and the control pipe to the event loop its agent runs in; the time counts from the
    moment it was due.

    A sibling was disturbed when an answer was lost, when it left its room, or when its 99th percentile went
    above 5 ms and 5 times its quiet one (50 ms and 20 times while the victim burns the processor, where
    the kernel decides).  One that was slow is tried a second time, after a second look at how quick it is
    when all is quiet.  With a sibling disturbed, or a victim not ended within a minute, the exit status is 1.

    With --hostile, a session of the target attacks: the probe, the server, their files and memory, another
    bundle, the operator's API, the kernel.  Whether an attack worked is seen at its victim, so this must run
    on the server's machine, as its user.  The exit status is 1 when one worked that the server's level of
    confinement promises to refuse.  Where nothing is confined they work: the server is killed, and the
    sessions of others with it.

    The server must allow it: BULKHEAD_CHAOS=1.
    """
    from runtime.cli.api import find_server
    from runtime.cli.failure import ExitCode

    api = find_server(url, timeout_s=60.0)
    paths = ("/" + target.lstrip("/"), "/" + probe.lstrip("/"))
    if hostile:
        from runtime.cli.session.chaos.attacks import run_attacks

        went_well = run_attacks(api, *paths, faults, output, each_s=each_s)
    else:
        from runtime.cli.session.chaos.faults import run_faults

        went_well = run_faults(api, *paths, faults, output)
    return ExitCode.OK if went_well else ExitCode.FAILED
