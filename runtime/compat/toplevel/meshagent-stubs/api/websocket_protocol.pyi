# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.room.transport import WebSocketClientProtocol as WebSocketClientProtocol
