# syntax=docker/dockerfile:1
# One image for every process of the Procfile; the command says which one it is.

FROM rust:1.95.0-slim-bookworm AS build
# libopus is built with CMake, the cryptography with the C compiler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The image's toolchain is the one rust-toolchain.toml asks for; without this rustup would fetch its components.
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p flysk-api -p flysk-workers --bins \
    && install -D -s -t /out target/release/flysk-api target/release/flysk-worker

FROM debian:bookworm-slim
# ffmpeg decodes the formats we do not (GSM, AMR, WMA, G.722).
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin flysk \
    && install -d -o flysk -g flysk /var/lib/flysk
COPY --from=build /out/ /usr/local/bin/
USER 10001
ENV FLYSK_LISTEN=0.0.0.0:8080 \
    FLYSK_METRICS_LISTEN=0.0.0.0:9090 \
    FLYSK_SCRATCH_DIR=/var/lib/flysk
VOLUME /var/lib/flysk
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# For the API; run the others with --no-healthcheck, or watch their metrics.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["flysk-api", "healthcheck"]
CMD ["flysk-api", "serve"]
