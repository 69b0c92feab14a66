"""What the operator may do and what it did: the same, over all tests before."""

import itertools


def granted(kubernetes, operator):
    """Return every right of the operator as API group, resource and verb."""
    path = f"apis/rbac.authorization.k8s.io/v1/clusterroles/{operator.name}"
    return {
        right
        for rule in kubernetes.request("GET", path)["rules"]
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def used(calls):
    """Return every right that was used; server-side apply of a new object needs `create` too."""
    rights = {call.right for call in calls}
    made = {
        (*call.right[:2], "create") for call in calls if (call.verb, call.code) == ("patch", 201)
    }
    return rights | made


def test_every_right_was_used(kubernetes, operator, audit_log):
    assert granted(kubernetes, operator) - used(audit_log.calls(operator.user)) == set()


def test_no_call_was_forbidden(operator, audit_log):
    calls = audit_log.calls(operator.user)

    assert any(call.namespace.startswith("e2e-") for call in calls)
    assert [call for call in calls if not call.allowed] == []


def test_operator_never_crashed(operator):
    (pod,) = operator.pods()
    (status,) = pod["status"]["containerStatuses"]

    assert status["ready"]
    assert status["restartCount"] == 0, operator.logs()[-4000:]


def test_logs_hold_no_traceback(operator):
    assert "Traceback" not in operator.logs()
