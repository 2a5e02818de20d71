//! What every process needs: configuration, secrets and encryption at rest, telemetry, shutdown.
