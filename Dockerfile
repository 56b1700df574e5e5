# The action's image: one static binary, buildx to build with, and a base with a POSIX shell for the
# `run` checks of a configuration. `script/image` builds it; a release does so for both platforms.
#
# Bases are pinned by digest. Dependabot (.github/dependabot.yml) renews tag and digest together.

FROM docker.io/library/rust:1.95-alpine3.23@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS binary
RUN apk add --no-cache musl-dev
# It writes the list of crates into the binary, where scanners and the SBOM find it.
RUN cargo install --locked --version 0.7.7 cargo-auditable
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY simulator simulator
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo auditable build --locked --release --bin greenlight \
    && mkdir -p /tree/usr/local/bin \
    && cp target/release/greenlight /tree/usr/local/bin/greenlight \
    && ln -s greenlight /tree/usr/local/bin/greenlight-post

# gha's cache needs `version=2`, which this has since 0.21.
FROM docker.io/docker/buildx-bin:0.36.1@sha256:1f2f6b2be4a2511ada67336e76892f1a588c89746009dd4b21069e4d867465be AS buildx

FROM docker.io/library/alpine:3.23.5@sha256:fd791d74b68913cbb027c6546007b3f0d3bc45125f797758156952bc2d6daf40 AS base

# Nothing runs here, so that no platform has to be emulated.
FROM base
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG SOURCE=https://github.com/greenlight/greenlight
LABEL org.opencontainers.image.title="Greenlight" \
      org.opencontainers.image.description="Ship a container to production on AWS, blue/green, in one step" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# It needs no command line of Docker's beside it: the engine's socket is enough.
COPY --from=buildx /buildx /usr/local/bin/docker-buildx
COPY --from=binary /tree /
# Straight to the binary: a shell in between would drop the inputs, whose names have dashes, and
# swallow the signals.
ENTRYPOINT ["/usr/local/bin/greenlight"]
