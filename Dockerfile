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
# ffmpeg decodes the formats we do not (GSM, AMR, WMA, G.722). With the video libraries that Debian's package brings it
# is by far the larger part of the image, hundreds of megabytes. Without it such recordings end as unsupported.
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
# The API alone. Dokku and the like publish each port that is named here, and metrics (9090) are not for the public.
EXPOSE 8080
STOPSIGNAL SIGTERM
# Asks the listener of metrics, which every lasting process has: whether it lives. `flysk-api healthcheck` asks
# whether the API is ready. A command that ends by itself (migrate, …) is run with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["flysk-worker", "healthcheck"]
CMD ["flysk-api", "serve"]
