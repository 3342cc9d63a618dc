"""OpenTelemetry's packages, in the server's process alone, and only where a collector is named."""
