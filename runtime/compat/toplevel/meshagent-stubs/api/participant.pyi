# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.room.participant import Participant as Participant
