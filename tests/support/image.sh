#!/bin/bash
# image.sh TAG: builds the container image with podman. Where debian:bookworm-slim is not at hand, a base is made from
# Debian's own packages under that name, so that no container registry is needed. ENGINE=docker uses Docker as it is.
# image.sh --conf prints the folder-independent podman configuration: plain cgroups and limits that a container inside
# a container may set too.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

configuration() {
    cat <<'CONF'
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
}

case ${1:?usage: image.sh TAG} in
--conf)
    configuration
    exit
    ;;
esac
tag=$1
version=$(cat VERSION)
if [ "${ENGINE:-podman}" != podman ]; then
    exec "$ENGINE" build --build-arg VERSION="$version" -t "$tag" .
fi
bash tests/support/deps.sh image
conf=$(mktemp)
trap 'rm -f "$conf"' EXIT
configuration >"$conf"
export CONTAINERS_CONF=$conf
if ! podman image exists debian:bookworm-slim; then
    # Two checkouts may come here at once; the second import of the same name does no harm.
    podman import --quiet "$(bash tests/support/cache.sh rootfs)/rootfs.tar" localhost/debian:bookworm-slim
fi
podman build --network=host --quiet --build-arg VERSION="$version" -t "$tag" .
