# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.tools.remote_toolkit import RemoteToolkit as RemoteToolkit
from runtime.sdk.tools.remote_toolkit import start_hosted_toolkit as start_hosted_toolkit
