"""Spans that an agent's own program measures with OpenTelemetry's API, told like ours."""
