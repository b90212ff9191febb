# syntax=docker/dockerfile:1
# catchment as an image: `docker build -t catchment .`
#
# The server in it listens on all addresses, so it needs access keys and says so where it has none:
#
#   docker run -p 4566:4566 -v catchment:/data -e CATCHMENT_ACCESS_KEYS=ID:SECRET catchment

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The toolchain and the dependencies' sources change seldom, so they come before the code.
COPY rust-toolchain.toml ./
RUN rustup show
COPY Cargo.toml Cargo.lock ./
COPY models models
COPY crates crates
COPY xtask xtask
# The caches keep what was compiled from one build to the next, where the builder has them (BuildKit).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package catchment \
    && cp target/release/catchment /usr/local/bin/catchment

FROM debian:bookworm-slim
RUN useradd --system --uid 4566 --create-home --home-dir /data catchment
COPY --from=build /usr/local/bin/catchment /usr/local/bin/catchment
# The tables of the demo: `catchment demo --data /usr/share/catchment/flights`.
COPY examples/flights /usr/share/catchment/flights
USER 4566
WORKDIR /data
VOLUME /data
ENV CATCHMENT_LISTEN=0.0.0.0:4566 CATCHMENT_DATA_DIR=/data/catchment
EXPOSE 4566
# The server ends when told by SIGTERM, once the requests under way have; give it its 25 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s \
    CMD ["catchment", "status", "--health", "--endpoint", "http://127.0.0.1:4566"]
ENTRYPOINT ["catchment"]
CMD ["serve"]
