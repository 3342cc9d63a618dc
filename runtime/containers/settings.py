"""The settings of containers, a slice of the server's."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.knob import knob, one_of, parse_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersSettings:
    """What participants of a room may run beside it, and what runs it.

    Without an engine, processes stand in for containers: confined as sessions are, and not isolated like a
    container. What they run has to be here: `images` names it.
    """

    engine: str = knob(
        "auto",
        "auto: an engine where one answers at the start, else processes; or docker, process, off",
        env=("BULKHEAD_CONTAINERS",),
    )
    docker_host: str = knob(
        "", "address of the engine; default: the usual sockets of Docker and Podman", env=("DOCKER_HOST",)
    )
    images: tuple[str, ...] = knob(
        (), "what processes run for an image, such as registry.example/greeter:*=agents/greeter"
    )
    host_commands: bool = knob(False, "let processes run any command of this machine for any image")
    deploy: bool = knob(True, "take bundles that are sent by bulkhead deploy")
    listen: str = knob(
        "", "address at which containers of an engine reach this server; default: the gateway of its bridge"
    )
    publish: str = knob("127.0.0.1", "address to which ports of containers are published")
    memory: str = knob("512MiB", "memory of a container; 0: no limit", reads=parse_bytes)
    cpu: float = knob(0.0, "processors of a container, such as 0.5; 0: no limit", minimum=0)
    pids: int = knob(256, "processes and threads of a container; 0: no limit", minimum=0)
    disk: str = knob(
        "1GiB", "what a process in place of one may keep in its folder; 0: no limit", reads=parse_bytes
    )
    max_running: int = knob(64, "containers that run at once, in all rooms", minimum=1)
    max_in_room: int = knob(32, "containers of one room, those that ended included", minimum=1)
    max_execs: int = knob(32, "commands at once in one container", minimum=1)
    log_bytes: int = knob(1 << 20, "log kept of a container", minimum=1 << 14)
    answer_s: float = knob(30.0, "time in which the engine must answer", minimum=0.1)
    pull_s: float = knob(600.0, "time in which the engine must have pulled an image", minimum=1)
    stop_s: float = knob(10.0, "time between asking a container to stop and killing it", minimum=0)

    def __post_init__(self) -> None:
        one_of("containers.engine", self.engine, ("auto", "docker", "process", "off"))
