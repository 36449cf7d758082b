import type { Environment } from "../environment/schema";
import type { Credentials } from "../servers";

/** A secret that an environment needs for `up`, and what for. */
export interface MissingSecret {
  key: keyof Credentials;
  purpose: string;
}

/** All secrets that are needed and not there. Asked before anything is created. */
export function missingSecrets({ site, cluster, services }: Environment, credentials: Credentials): MissingSecret[] {
  const needed: MissingSecret[] = [
    ...(site.objectStore === undefined
      ? []
      : (["objectStoreAccessKeyId", "objectStoreSecretAccessKey"] as const).map((key) => ({ key, purpose: "site.objectStore is opened with it" }))),
    ...(cluster.distribution === "existing" ? [{ key: "kubeconfig", purpose: "cluster.distribution is existing, and this is the way in" } as const] : []),
    ...(Object.keys(services).length > 0 ? [{ key: "inferenceApiKey", purpose: "clients of the inference services send it" } as const] : []),
  ];
  return needed.filter(({ key }) => credentials[key] === undefined);
}
