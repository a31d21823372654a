"""deploy/base on a real API server with the controller manager: it applies, its Pods pass the restricted pod security
level, and the ServiceAccount can do exactly what the controller does.

SPDX-License-Identifier: Apache-2.0
"""

import json

import procs
import pytest
import yaml

ACCOUNT = "system:serviceaccount:trimtab-system:trimtab"
OURS = ("providers", "resourcepolicies", "budgets", "recommendations")
READ = {"get", "list", "watch"}


@pytest.fixture(scope="module")
def deployed(full_cluster, repo):
    said = full_cluster.kubectl("apply", "-k", repo / "deploy" / "base")
    assert "deployment.apps/trimtab created" in said
    yield full_cluster
    full_cluster.kubectl("delete", "-k", repo / "deploy" / "base", "--wait=false")


def rules_of(cluster, user, groups, namespace):
    """{(group, resource, name or None): verbs} as the API server sees them for a user."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    identity = [f"--as={user}", *[f"--as-group={g}" for g in groups]]
    answer = cluster.kubectl(
        "create", "--raw", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "-f", "-", *identity,
        stdin=json.dumps(review),
    )
    found = {}
    for rule in json.loads(answer)["status"]["resourceRules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames") or [None]:
                    found.setdefault((group, resource, name), set()).update(rule["verbs"])
    return found


def own_rules(cluster, namespace):
    """What the controller's account may do beyond what every account may."""
    groups = ["system:authenticated", "system:serviceaccounts"]
    everyone = rules_of(cluster, "system:serviceaccount:nowhere:nobody", groups, namespace)
    ours = rules_of(cluster, ACCOUNT, [*groups, "system:serviceaccounts:trimtab-system"], namespace)
    beyond = {key: verbs - everyone.get(key, set()) for key, verbs in ours.items()}
    return {key: verbs for key, verbs in beyond.items() if verbs}


def expected_rules():
    rules = {("trimtab.dev", kind, None): set(READ) for kind in OURS}
    rules[("trimtab.dev", "recommendations", None)] |= {"create", "delete"}
    rules.update({("trimtab.dev", f"{kind}/status", None): {"patch", "update"} for kind in OURS})
    rules[("", "namespaces", None)] = set(READ)
    rules[("events.k8s.io", "events", None)] = {"create", "patch"}
    return rules


def test_the_account_can_do_exactly_this_in_any_namespace(deployed):
    assert own_rules(deployed, "default") == expected_rules()


def test_the_account_can_keep_a_lease_in_its_own_namespace_only(deployed):
    leases = {("coordination.k8s.io", "leases", None): {"get", "create", "update", "patch"}}
    assert own_rules(deployed, "trimtab-system") == {**expected_rules(), **leases}


def can(cluster, *question, user=ACCOUNT, groups=()):
    done = cluster.kubectl(
        "auth", "can-i", *question, f"--as={user}", *[f"--as-group={g}" for g in groups], check=False
    )
    return done.stdout.strip() == "yes"


@pytest.mark.parametrize(
    "question, answer",
    [
        (("patch", "resourcepolicies.trimtab.dev", "--subresource=status"), True),
        (("patch", "resourcepolicies.trimtab.dev"), False),
        (("create", "recommendations.trimtab.dev"), True),
        (("patch", "recommendations.trimtab.dev"), False),
        (("get", "secrets"), False),
        (("list", "secrets"), False),
        (("create", "pods"), False),
        (("impersonate", "users"), False),
        (("create", "serviceaccounts", "--subresource=token"), False),
        (("patch", "namespaces"), False),
        (("update", "leases.coordination.k8s.io", "-n", "kube-system"), False),
        (("update", "leases.coordination.k8s.io", "-n", "trimtab-system"), True),
    ],
)
def test_can_i(deployed, question, answer):
    assert can(deployed, *question) is answer


def test_a_secret_is_readable_only_after_its_owner_allowed_that_one(deployed, repo):
    deployed.kubectl("create", "namespace", "platform")
    deployed.apply(repo / "deploy/examples/provider-secret-access.yaml", "-n", "platform")
    assert can(deployed, "get", "secrets/aws-prod", "-n", "platform")
    assert not can(deployed, "get", "secrets/other", "-n", "platform")
    assert not can(deployed, "list", "secrets", "-n", "platform")
    assert not can(deployed, "get", "secrets/aws-prod", "-n", "default")


def test_the_pods_pass_restricted_pod_security_and_become_ready(deployed):
    deployed.kubectl("-n", "trimtab-system", "wait", "--for=condition=Available", "deployment/trimtab", "--timeout=60s")
    pods = deployed.get("pods", "-n", "trimtab-system", "-l", "app.kubernetes.io/name=trimtab")["items"]
    assert len(pods) == 2
    for pod in pods:
        container = pod["spec"]["containers"][0]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["image"] == "trimtab:0.1.0"


def test_a_pod_that_is_not_restricted_is_refused_in_our_namespace(deployed):
    pod = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"bad"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
    done = deployed.kubectl("-n", "trimtab-system", "apply", "-f", "-", stdin=pod, check=False)
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def test_one_replica_always_stays(deployed):
    def budget():
        return deployed.get("pdb", "trimtab", "-n", "trimtab-system").get("status", {})

    procs.wait_until("the disruption budget counts the pods", lambda: budget().get("currentHealthy") == 2)
    assert budget()["disruptionsAllowed"] == 1


def test_roles_for_people_aggregate_into_the_built_in_ones(deployed):
    deployed.kubectl("create", "namespace", "people")
    for role in ("view", "edit", "admin"):
        deployed.kubectl("-n", "people", "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er")
    deployed.kubectl("-n", "people", "create", "rolebinding", "ap", "--clusterrole=trimtab-approver", "--user=approver")

    def may(user, verb, kind):
        return can(deployed, verb, f"{kind}.trimtab.dev", "-n", "people", user=user)

    # The controller manager aggregates in its own time.
    procs.wait_until("the roles are aggregated", lambda: may("viewer", "list", "budgets") and may("adminer", "create", "budgets"))
    assert not may("viewer", "patch", "recommendations")
    assert may("editer", "patch", "recommendations") and may("editer", "create", "resourcepolicies")
    assert not may("editer", "create", "providers")
    assert may("approver", "patch", "recommendations")
    assert not may("approver", "create", "resourcepolicies")


def test_no_role_holds_a_wildcard(full_cluster, repo):
    documents = yaml.safe_load_all(full_cluster.kubectl("kustomize", repo / "deploy" / "base"))
    roles = [d for d in documents if d["kind"] in ("Role", "ClusterRole")]
    assert len(roles) >= 6
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], role["metadata"]["name"]
