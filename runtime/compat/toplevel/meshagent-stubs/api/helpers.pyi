# Written by `python -m runtime.compat.stubs`.
from runtime.compat.addresses import meshagent_base_url as meshagent_base_url
from runtime.compat.addresses import participant_token as participant_token
from runtime.compat.addresses import websocket_protocol as websocket_protocol
from runtime.compat.addresses import websocket_room_url as websocket_room_url
