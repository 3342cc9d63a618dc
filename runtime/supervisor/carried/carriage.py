"""The room and the model of one session, as far as they come to it over its pipe."""

from __future__ import annotations

from runtime.process.worker_process import WorkerProcess
from runtime.session.info import RelayPort, RoomDoor
from runtime.session.spec import SessionSpec
from runtime.supervisor.carried.model_calls import ModelCalls
from runtime.supervisor.carried.relay import Relay
from runtime.supervisor.start_message import Carried
from runtime.wire import by_pipe, control


class Carriage:
    """Runs in: the front's event loop.

    Args:
        port: The caller's socket, which then is the room connection.
        door: The front's way into rooms; None when there is none.

    Attributes:
        relay: Its room connection, where it has one over its pipe.
    """

    def __init__(self, spec: SessionSpec, port: RelayPort | None, door: RoomDoor | None) -> None:
        self._spec = spec
        self._door = door
        self.relay = Relay(port) if port is not None else None
        self._model: ModelCalls | None = None

    def bring(self, worker: WorkerProcess) -> Carried:
        """Have its room reach it where that is here, or it has no network; then its model, too."""
        kind = ""
        if self._door is not None:
            spec, is_alone = self._spec, worker.policy.network != "all"
            if self.relay is None and (is_alone or self._door.has(spec.room_url)):
                self.relay = Relay(self._door.room(spec.room_url, spec.token, is_inward=is_alone), waits=True)
            if is_alone:
                model = self._door.model("" if spec.relay else spec.room_url)
                self._model, kind = ModelCalls(worker, model), model.kind
        return Carried(room=self.relay is not None, model=kind)

    def connect(self, worker: WorkerProcess) -> None:
        """Begin to carry packets."""
        if self.relay is not None:
            self.relay.connect(worker)

    def heard(self, message: control.FromWorker) -> str:
        """Take a message of the worker's; what is wrong with it, or empty."""
        match message:
            case control.Packet():
                if self.relay is None:
                    return "a packet for a room connection that it does not have"
                self.relay.from_worker(message.data)
            case control.RelayClosed():
                if self.relay is not None:
                    self.relay.from_worker(None)
            case by_pipe.Dial():
                if self.relay is not None:
                    self.relay.dial()
            case by_pipe.ModelAsk() | by_pipe.ModelTaken() | by_pipe.ModelGivenUp():
                if self._model is None:
                    return "a question to a model that it does not have"
                self._model.heard(message)
        return ""

    async def close(self) -> None:
        """The worker is gone."""
        try:
            if self.relay is not None:
                await self.relay.close()
        finally:
            if self._model is not None:
                await self._model.close()
