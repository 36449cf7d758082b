import { createRequire } from "node:module";
import type * as Kubernetes from "@pulumi/kubernetes";

const load = createRequire(__filename);

/** `@pulumi/kubernetes`, loaded on first use: it takes half a second, which environments without a cluster need not spend. */
export function kubernetes(): typeof Kubernetes {
  return load("@pulumi/kubernetes") as typeof Kubernetes;
}
