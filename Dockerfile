# The program, the few libraries that it loads, the authorities that it trusts, and nothing else.

ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
FROM ${RUST_IMAGE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*

# Where a proxy signs with an authority of its own, a file with it.
ARG CARGO_HTTP_CAINFO
WORKDIR /src

# Dependencies have a layer of their own, which is built anew only when they change.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src && echo '//! Nothing yet.' | tee src/lib.rs >src/main.rs && echo 'fn main() {}' >>src/main.rs \
 && cargo build --release --locked

COPY src src
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

# The root file system: the program, what it loads, who it runs as, and the packages' records, by which scanners
# know the libraries.
WORKDIR /image
RUN mkdir -p -m 700 data && chown 10001:10001 data \
 && mkdir -p etc/ssl/certs var/lib/dpkg/status.d \
 && echo 'statusinator:x:10001:10001::/data:/' >etc/passwd \
 && echo 'statusinator:x:10001:' >etc/group \
 && echo 'hosts: files dns' >etc/nsswitch.conf \
 && cat /usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt \
 && cp /src/target/release/statusinator . \
 && ldd statusinator | grep -o '/[^ ]*' | xargs -I{} cp --parents --dereference {} . \
 && for package in ca-certificates libc6 libgcc-s1 libssl3; do dpkg -s "$package" >"var/lib/dpkg/status.d/$package"; done

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="Statusinator" \
      org.opencontainers.image.description="Sets a Slack member's name and picture to the pair that he keeps for his status emoji" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /image /
ENV PATH=/ \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    STATUSINATOR_BIND=0.0.0.0:3000 \
    STATUSINATOR_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["/statusinator", "health"]
ENTRYPOINT ["/statusinator"]
CMD ["serve"]
