# syntax=docker/dockerfile:1
# One image for every process of the Procfile; the command selects the process. `--target sandbox` builds the sandbox for vendors
# instead (docs/sandbox.md).

# The digest decides; `.github/dependabot.yml` proposes newer ones (docs/deploy.md, Pinned images).
ARG RUNTIME_IMAGE=debian:bookworm-slim@sha256:7b140f374b289a7c2befc338f42ebe6441b7ea838a042bbd5acbfca6ec875818

FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS source
# CMake builds libopus; the C compiler builds the cryptography.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The image contains the toolchain of rust-toolchain.toml; without this, rustup would download its components.
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .

FROM source AS build
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p flysk-admin -p flysk-api -p flysk-workers --bins \
    && install -D -s -t /out target/release/flysk-admin target/release/flysk-api target/release/flysk-worker

FROM source AS build-sandbox
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p flysk-sandbox --bin flysk-sandbox \
    && install -D -s -t /out target/release/flysk-sandbox

FROM ${RUNTIME_IMAGE} AS sandbox
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin flysk
COPY --from=build-sandbox /out/ /usr/local/bin/
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# DATABASE_URL and REDIS_URL name the servers.
CMD ["flysk-sandbox", "--listen", "0.0.0.0", "--port", "8080"]

FROM ${RUNTIME_IMAGE}
# ffmpeg decodes the formats that flysk-audio does not (GSM, AMR, WMA, G.722). With the video libraries of Debian's package it is
# hundreds of megabytes, most of the image. Without it such recordings fail as unsupported.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin flysk \
    && install -d -o flysk -g flysk /var/lib/flysk
COPY --from=build /out/ /usr/local/bin/
USER 10001
# Metrics are readable inside the container only, for HEALTHCHECK. A deployment that scrapes them sets 0.0.0.0:9090 (docs/deploy.md).
ENV FLYSK_LISTEN=0.0.0.0:8080 \
    FLYSK_ADMIN_LISTEN=0.0.0.0:8081 \
    FLYSK_METRICS_LISTEN=127.0.0.1:9090 \
    FLYSK_SCRATCH_DIR=/var/lib/flysk
VOLUME /var/lib/flysk
# The API only. Dokku publishes every port named here; the admin panel (8081) must not be public by mistake.
EXPOSE 8080
STOPSIGNAL SIGTERM
# Liveness through the metrics listener, which every long-running process has. `flysk-api healthcheck` checks the API's
# readiness. Run one-off commands (migrate, …) with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["flysk-worker", "healthcheck"]
CMD ["flysk-api", "serve"]
