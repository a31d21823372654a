"""`trimtab explain` on a running local instance: a policy, its Recommendation, its Provider. (On a cluster: test_plan.py.)

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess

import pytest
from test_rightsize import estate, running  # noqa: F401 (fixtures)


@pytest.fixture
def explain(running):  # noqa: F811
    def call(*args, code=0):
        done = subprocess.run([running.trimtab, "explain", *args, "--local", running.socket],
                              env=os.environ | running.env, capture_output=True, text=True, timeout=30)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def told():
        done = subprocess.run([running.trimtab, "get", "rec", "-n", "shop", "--local", running.socket, "-o", "json"],
                              env=os.environ | running.env, capture_output=True, text=True, timeout=30)
        items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        return [it["metadata"]["name"] for it in items if it.get("status", {}).get("why")]

    call.names = running.process.wait_for("a Recommendation tells why", told, 90)
    return call


def test_objects_of_a_local_run_are_told_in_plain_words(explain):
    text = explain("rp/web", "-n", "shop")
    assert text.startswith("ResourcePolicy shop/web\n  mode Enforce; may Scale, Rightsize\n\nConditions\n  Ready is ")
    for heading in ("\nSeen\n", "\nWanted\n", "\nForecast\n", "\nOpen Recommendations", "\nWhat holds it back\n"):
        assert heading in text, text
    found = json.loads(explain("rp", "web", "-n", "shop", "-o", "json"))
    assert (found["kind"], found["namespace"], found["name"]) == ("ResourcePolicy", "shop", "web")
    assert found["object"]["spec"]["mode"] == "Enforce"
    assert {it["type"] for it in found["conditions"]} >= {"Ready", "Observed", "Forecasted"}
    assert all(it["spec"]["policyRef"]["name"] == "web" for it in found["recommendations"])
    rec = explain(f"rec/{explain.names[0]}", "-n", "shop")
    assert "of ResourcePolicy shop/web" in rec and "\nIts way\n" in rec and "\nWhy\n  - " in rec
    provider = explain("prov/sim", "-n", "platform")
    assert "type simulated, account simulated:platform/sim" in provider and "  1 groups\n" in provider


def test_what_cannot_be_explained_is_told(explain):
    assert "not found" in explain("rp/none", "-n", "shop", code=2)
    assert "is no kind" in explain("pod/x", code=64)
    assert "is not of the form KIND/NAME" in explain("rp", code=64)
    assert "nothing to explain" in explain("ns/shop", code=64)
