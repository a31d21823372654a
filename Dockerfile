# Built from Debian's own packages alone: `make image`, or `docker build -t trimtab:0.1.0 .`
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY tests/support/deps.sh tests/support/deps.sh
RUN apt-get update -qq && bash tests/support/deps.sh build
COPY Makefile VERSION ./
COPY controller controller
COPY adapters adapters
RUN make install DESTDIR=/out

FROM debian:bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="trimtab" \
      org.opencontainers.image.description="Keeps a multi-cloud estate at the size that demand needs, inside its budget" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ca-certificates tzdata \
      libuv1 libcurl4 libjson-c5 libyaml-0-2 libssl3 libsqlite3-0 libmicrohttpd12 zlib1g libexpat1 coinor-libclp1 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY --from=build /out/ /
# Needs to write nowhere but, in a local run, where --database points: start it with a read-only root.
USER 65532:65532
ENTRYPOINT ["/usr/bin/trimtab"]
CMD ["run", "--in-cluster", "--listen", ":8081"]
