"""What the e2e tests share: one cluster with the controller manager, and the controller's own account in it, with just
the rights that deploy/base gives it.

SPDX-License-Identifier: Apache-2.0
"""

import itertools

import cluster as cluster_support
import estate
import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster():
    started = cluster_support.Cluster(controllers=True)
    try:
        estate.prepare_cluster(started)
        yield started
    finally:
        started.stop()


@pytest.fixture
def namespace(cluster):
    """A namespace of the test's own. Its objects are gone when the test ends, so that no later controller takes them up."""
    name = f"e2e-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "rp,prov,bud,rec", "--all", "-n", name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
