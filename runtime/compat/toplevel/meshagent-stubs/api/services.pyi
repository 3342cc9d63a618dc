# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.endpoint import Portable as Portable
from runtime.sdk.host import ServiceHost as ServiceHost
