/** Groups that every API server has; all others come from custom resource definitions. */
const BUILT_IN = /^(v1|(apps|batch|autoscaling|policy|extensions|(admissionregistration|apiextensions|apiregistration|certificates|coordination|discovery|events|flowcontrol\.apiserver|networking|node|rbac\.authorization|resource|scheduling|storage|storagemigration|authentication|authorization|internal\.apiserver)\.k8s\.io)\/v\w+)$/;

const OF_THE_CLUSTER = new Set([
  "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle",
  "ComponentStatus", "CustomResourceDefinition", "DeviceClass", "DeviceTaintRule", "FlowSchema", "IPAddress", "IngressClass",
  "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
  "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice", "RuntimeClass", "SelfSubjectAccessReview",
  "SelfSubjectReview", "SelfSubjectRulesReview", "ServiceCIDR", "StorageClass", "StorageVersion", "StorageVersionMigration",
  "SubjectAccessReview", "TokenReview", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass",
]);

export function isBuiltIn(apiVersion: string): boolean {
  return BUILT_IN.test(apiVersion);
}

/** Whether objects of the kind live in a namespace. Undefined for kinds that only the cluster knows. */
export function isNamespaced(apiVersion: string, kind: string): boolean | undefined {
  return isBuiltIn(apiVersion) ? !OF_THE_CLUSTER.has(kind) : undefined;
}

/** Modules of the SDK that are no objects of the API. */
const NOT_OBJECTS = /^(helm\.sh|yaml|kustomize)(\/|$)/;

/** `kubernetes:apps/v1:Deployment` and its like. Charts, files of YAML and lists of objects are not among them. */
export function isObjectType(type: string): boolean {
  const [packageName, module, name, ...rest] = type.split(":");
  if (packageName !== "kubernetes" || module === undefined || name === undefined || name === "" || rest.length > 0) return false;
  if (!/^[a-z0-9.-]+\/v\w+$/.test(module) && module !== "v1") return false;
  if (NOT_OBJECTS.test(module)) return false;
  return !(isBuiltIn(module.replace(/^core\//, "")) && /List(Patch)?$/.test(name));
}

/** The API version and kind that a type token stands for. */
export function kindOfType(type: string): { apiVersion: string; kind: string } {
  const [, module = "", name = ""] = type.split(":");
  return { apiVersion: module.replace(/^core\//, ""), kind: name };
}
