"""Restarts one replica whose GPU memory is fragmented, where that costs nobody an answer. Run every few minutes.

    python3 restart.py --prometheus URL --alert NAME --namespace NAMESPACE --memory NAMESPACE/CONFIGMAP --at-most-every-hours HOURS

At most one pod a run and one a service in the given time, by the Eviction API, so that disruption budgets hold, and only
while all other active replicas of the service are ready and there is one. What was done is remembered in a ConfigMap.
"""
import argparse
import calendar
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 10
MOST_ANSWER_BYTES = 64 * 1024 * 1024
TIME = "%Y-%m-%dT%H:%M:%SZ"

SERVICE = "rackwright.dev/service"
ROLE = "rackwright.dev/role"
COMPONENT = "app.kubernetes.io/component"
GROUP = ("leaderworkerset.sigs.k8s.io/name", "leaderworkerset.sigs.k8s.io/group-index")


class Failed(Exception):
    """The run cannot go on; its text is for the operator."""


class Refused(Exception):
    """The API server's answer to a call; `status` is its number, `body` what it says."""

    def __init__(self, status, body):
        super().__init__("%d: %s" % (status, body.get("message", "no reason given")))
        self.status = status
        self.body = body


def say(text):
    print(text, flush=True)


def parsed(raw):
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


# No proxy of the image's environment: both are inside of the cluster.
def opener(*handlers):
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


def firing(address, alert, namespace):
    """Alerts of this name that fire for pods of the namespace, the longest first."""
    try:
        with opener().open(address + "/api/v1/alerts", timeout=TIMEOUT_SECONDS) as answer:
            body = parsed(answer.read(MOST_ANSWER_BYTES))
        if body.get("status") != "success":
            raise ValueError(body.get("error", "its status is not success"))
        alerts = body["data"]["alerts"]
        found = [each for each in alerts if each["state"] == "firing" and each["labels"].get("alertname") == alert and each["labels"].get("namespace") == namespace]
        return sorted(found, key=lambda each: (each["activeAt"], each["labels"].get("pod", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failed("Prometheus at %s does not say what fires: %s" % (address, error)) from None


class Cluster:
    """The API server, with the token and the authority that every pod with an account has in a folder."""

    def __init__(self, folder):
        try:
            host = os.environ["KUBERNETES_SERVICE_HOST"]
            with open(os.path.join(folder, "token")) as file:
                self.token = file.read().strip()
            context = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))
        except (KeyError, OSError) as error:
            raise Failed("this is not a pod with an account of the cluster: %s" % error) from None
        self.address = "https://%s:%s" % ("[%s]" % host if ":" in host else host, os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
        self.opener = opener(urllib.request.HTTPSHandler(context=context))

    def call(self, method, path, body=None, kind="application/json"):
        headers = {"Authorization": "Bearer " + self.token, "Accept": "application/json", "Content-Type": kind}
        request = urllib.request.Request(self.address + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return parsed(answer.read(MOST_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            try:
                told = parsed(error.read(MOST_ANSWER_BYTES))
            except ValueError:
                told = {}
            raise Refused(error.code, told) from None
        except (OSError, ValueError) as error:
            raise Failed("the API server at %s does not answer %s %s: %s" % (self.address, method, path, error)) from None


class Memory:
    """A ConfigMap: service to the time of its last restart and the pod. Written before a pod is evicted, never after."""

    def __init__(self, cluster, namespace, name):
        self.cluster = cluster
        self.name = "%s/%s" % (namespace, name)
        self.path = "/api/v1/namespaces/%s/configmaps/%s" % (namespace, name)
        self.take(cluster.call("GET", self.path))

    def take(self, found):
        self.entries = found.get("data") or {}
        self.version = found["metadata"]["resourceVersion"]

    def last(self, service):
        """When the service was restarted last, in seconds; None if it never was."""
        entry = self.entries.get(service)
        if entry is None:
            return None
        try:
            return calendar.timegm(time.strptime(parsed(entry)["at"], TIME))
        except (ValueError, KeyError, TypeError):
            raise Failed("the ConfigMap %s has something else than a time under %s: %s. Delete the key." % (self.name, service, entry)) from None

    def put(self, service, entry):
        # With the version that was read: of two runs at once, one is refused.
        change = {"metadata": {"resourceVersion": self.version}, "data": {service: entry}}
        self.take(self.cluster.call("PATCH", self.path, change, "application/merge-patch+json"))


def labels_of(pod):
    return pod["metadata"].get("labels", {})


def replica_of(pod):
    """Pods of a replica that spans servers start anew together; any other pod is a replica by itself."""
    labels = labels_of(pod)
    return tuple(labels[key] for key in GROUP) if all(key in labels for key in GROUP) else pod["metadata"]["name"]


def runs(pod):
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def ready(pod):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", []))


def hindrance(pod, pods):
    """Why the pod is not to be restarted now; None if it may be."""
    service = labels_of(pod)[SERVICE]
    active = [each for each in pods if labels_of(each).get(SERVICE) == service and labels_of(each).get(ROLE) == "active" and labels_of(each).get(COMPONENT) == "api" and runs(each)]
    others = [each for each in active if replica_of(each) != replica_of(pod)]
    if not others:
        return "it is the only active replica of %s, which would not answer meanwhile. Restart it by hand when that is bearable" % service
    waiting = sorted(each["metadata"]["name"] for each in others if not ready(each))
    return "%s of the same service is not ready" % ", ".join(waiting) if waiting else None


def share_of(alert):
    try:
        return "%.0f %%" % (100 * float(alert["value"]))
    except (KeyError, TypeError, ValueError):
        return "too much"


def evict(cluster, namespace, pod):
    """False where a disruption budget does not allow it now."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    # Another pod may have the name by now.
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}, "deleteOptions": {"preconditions": {"uid": uid}}}
    try:
        cluster.call("POST", "/api/v1/namespaces/%s/pods/%s/eviction" % (namespace, name), body)
        return True
    except Refused as refused:
        causes = refused.body.get("details", {}).get("causes", [])
        if refused.status == 429 and any(cause.get("reason") == "DisruptionBudget" for cause in causes):
            return False
        raise


def run(options):
    alerts = firing(options.prometheus.rstrip("/"), options.alert, options.namespace)
    if not alerts:
        say("%s does not fire: nothing to do" % options.alert)
        return
    cluster = Cluster(options.service_account)
    listed = cluster.call("GET", "/api/v1/namespaces/%s/pods?labelSelector=%s" % (options.namespace, urllib.parse.quote(SERVICE)))["items"]
    pods = {pod["metadata"]["name"]: pod for pod in listed if runs(pod)}
    memory = Memory(cluster, *options.memory.split("/", 1))
    for alert in alerts:
        name = alert["labels"].get("pod", "")
        if name not in pods:
            say("%s: left alone, it is gone or ending" % (name or "an alert without a pod"))
            continue
        pod = pods[name]
        service = labels_of(pod)[SERVICE]
        now = int(time.time())
        last = memory.last(service)
        why = hindrance(pod, listed)
        if last is not None and now < last + options.at_most_every_hours * 3600:
            why = "%s was restarted at %s, and is at most every %g hours" % (service, time.strftime(TIME, time.gmtime(last)), options.at_most_every_hours)
        if why is not None:
            say("%s: left alone, %s" % (name, why))
            continue
        before = memory.entries.get(service)
        memory.put(service, json.dumps({"at": time.strftime(TIME, time.gmtime(now)), "pod": name}))
        try:
            evicted = evict(cluster, options.namespace, pod)
        except Refused:
            memory.put(service, before)
            raise
        if evicted:
            say("%s: evicted, %s of its GPU memory was in pieces; %s has other replicas that answer" % (name, share_of(alert), service))
            return
        memory.put(service, before)
        say("%s: left alone, a disruption budget of %s does not allow it now" % (name, service))


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--alert", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--memory", required=True)
    parser.add_argument("--at-most-every-hours", type=float, required=True)
    parser.add_argument("--service-account", default="/var/run/secrets/kubernetes.io/serviceaccount")
    try:
        run(parser.parse_args(argv))
    except Refused as refused:
        return "rackwright: the API server refused with %s" % refused
    except Failed as failed:
        return "rackwright: %s" % failed
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
