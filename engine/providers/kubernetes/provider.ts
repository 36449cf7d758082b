import type { CheckFailure, DiffResult, Inputs, Provider, ProviderInstance } from "../provider";
import { diffSettings } from "./diff-settings";
import { KubernetesInstance } from "./instance";
import { isObjectType } from "./scope";
import { checkSettings, parseSettings } from "./settings";

/**
 * `@pulumi/kubernetes` 4.32.0 without its plugin: objects of any kind by server-side apply, with the inputs, outputs,
 * diffs and field managers of the real one, so that state can be handed over to it. Deliberately different: fields that
 * the API server does not know are errors, and messages say which pods hold a step up and why. Charts, YAML files,
 * Kustomize and lists of objects are not covered.
 */
export class KubernetesProvider implements Provider {
  readonly package = "kubernetes";
  readonly version = "4.32.0";

  constructor(
    private readonly options: {
      /** Folder of the Pulumi program, where relative paths start from. */
      programDir: string;
      /** @default - that of the process */
      env?: NodeJS.ProcessEnv;
    },
  ) {}

  supports(type: string): boolean {
    return isObjectType(type);
  }

  checkConfig(inputs: Inputs): CheckFailure[] {
    return checkSettings(inputs, this.env);
  }

  diffConfig(oldInputs: Inputs, newInputs: Inputs): DiffResult {
    return diffSettings(oldInputs, newInputs);
  }

  configure(inputs: Inputs): ProviderInstance {
    return new KubernetesInstance(parseSettings(inputs, this.env), { programDir: this.options.programDir, env: this.env });
  }

  private get env(): NodeJS.ProcessEnv {
    return this.options.env ?? process.env;
  }
}
