import type { KubernetesObject } from "./object";

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

const rule = (group: string, resources: readonly string[], verbs: readonly string[]): Rule => ({ apiGroups: [group], resources: [...resources], verbs: [...verbs] });
const look = ["get", "list", "watch"];
const change = [...look, "create", "update", "patch", "delete"];

/**
 * What the operator may do everywhere, at the pinned release. It makes roles for what it deploys, and may give none of them
 * more than it holds itself; the groups of OpenShift are there because it asks whether it runs on one.
 */
const everywhere: Rule[] = [
  rule("config.openshift.io", ["clusterversions", "proxies"], look),
  rule("image.openshift.io", ["imagestreams"], look),
  rule("security.openshift.io", ["securitycontextconstraints"], [...change, "use"]),
  rule("rbac.authorization.k8s.io", ["clusterroles", "clusterrolebindings"], change),
  rule("", ["nodes", "namespaces"], [...look, "update", "patch"]),
  rule("", ["events"], [...look, "create", "delete"]),
  rule("events.k8s.io", ["events"], ["create", "patch"]),
  rule("", ["pods"], [...look, "patch"]),
  rule("", ["pods/eviction"], ["create"]),
  rule("apps", ["daemonsets"], look),
  rule("nvidia.com", ["clusterpolicies", "gpuclusters", "nvidiadrivers"].flatMap((each) => [each, `${each}/finalizers`, `${each}/status`]), [...change, "deletecollection"]),
  rule("scheduling.k8s.io", ["priorityclasses"], [...look, "create"]),
  rule("node.k8s.io", ["runtimeclasses"], [...look, "create", "update", "delete"]),
  rule("apiextensions.k8s.io", ["customresourcedefinitions"], [...look, "create", "update", "patch"]),
  rule("resource.nvidia.com", ["computedomains", "computedomains/status"], [...look, "update", "patch"]),
  rule("resource.nvidia.com", ["computedomaincliques"], [...look, "create", "update", "patch"]),
  rule("coordination.k8s.io", ["leases"], ["get", "create", "update"]),
  rule("resource.k8s.io", ["resourceclaims"], look),
  rule("resource.k8s.io", ["resourceclaimtemplates", "deviceclasses", "resourceslices"], [...look, "create", "update", "delete"]),
  rule("admissionregistration.k8s.io", ["validatingadmissionpolicies", "validatingadmissionpolicybindings"], [...look, "create", "update", "delete"]),
];

/** What it may do in its own namespace. */
const inItsNamespace: Rule[] = [
  rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], change),
  rule("apps", ["controllerrevisions"], look),
  rule("apps", ["daemonsets", "deployments"], change),
  rule("", ["configmaps", "endpoints", "pods", "pods/eviction", "secrets", "services", "services/finalizers", "serviceaccounts"], change),
  rule("coordination.k8s.io", ["leases"], change),
  rule("monitoring.coreos.com", ["servicemonitors", "prometheusrules"], [...look, "create", "update", "delete"]),
  rule("nfd.k8s-sigs.io", ["nodefeatures"], [...look, "create", "update"]),
];

export function operatorAccess(name: string, namespace: string): KubernetesObject[] {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const apiGroup = "rbac.authorization.k8s.io";
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules: everywhere },
    { apiVersion, kind: "ClusterRoleBinding", metadata: { name }, roleRef: { apiGroup, kind: "ClusterRole", name }, subjects },
    { apiVersion, kind: "Role", metadata: { name, namespace }, rules: inItsNamespace },
    { apiVersion, kind: "RoleBinding", metadata: { name, namespace }, roleRef: { apiGroup, kind: "Role", name }, subjects },
  ];
}

/**
 * The operator's three kinds. It watches all of them. Their fields are left open: the release's own definitions are 10,000
 * lines, which nothing here reads; a test holds what is written against their field names.
 */
export function customResourceDefinitions(): KubernetesObject[] {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const definition = (plural: string, kind: string, version: string): KubernetesObject => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.nvidia.com` },
    spec: {
      group: "nvidia.com",
      scope: "Cluster",
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: "object", properties: { spec: open, status: open } } } }],
    },
  });
  return [definition("clusterpolicies", "ClusterPolicy", "v1"), definition("gpuclusters", "GPUCluster", "v1alpha1"), definition("nvidiadrivers", "NVIDIADriver", "v1alpha1")];
}
