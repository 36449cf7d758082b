import type { Environment } from "../schema";

/**
 * What of an environment is well formed. Cross-checks run on it also where other parts are faulty, so that all problems
 * show at once; a check that needs the missing part passes over it.
 */
export interface Checkable {
  site?: Environment["site"];
  software?: Environment["software"];
  cluster?: Environment["cluster"];
  recovery?: Environment["recovery"];
  servers: Environment["servers"];
  services: Environment["services"];
  training: Environment["training"];
  /** All names that were written under `servers`, those of faulty servers among them. */
  serverNames: readonly string[];
  /** Whether every server is well formed: only then can something be said to be on no server. */
  allServersKnown: boolean;
}
