# Written by `python -m runtime.compat.stubs`.
from runtime.sdk.otel import otel_config as otel_config
