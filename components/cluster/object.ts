/** A Kubernetes object as plain data: what a planner returns and what goes to the API server. Holds no secret. */
export interface KubernetesObject {
  /** `v1`, `apps/v1`, `leaderworkerset.x-k8s.io/v1`. */
  apiVersion: string;
  kind: string;
  metadata: {
    /** Every object has a name of its own making; none is generated. */
    name: string;
    /** Absent for objects of the whole cluster. */
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}
