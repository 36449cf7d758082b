import { isProviderType, packageOf } from "../urn";
import { CommandProvider } from "./command";
import { KubernetesProvider } from "./kubernetes";
import type { Inputs, Provider, ProviderInstance } from "./provider";
import { providerResources } from "./provider-resource";

export * from "./provider";

/** Something in a program that only the Pulumi CLI can do. */
export class NotCovered extends Error {
  constructor(what: string) {
    super(
      `${what} is not covered by the embedded engine; install pulumi (https://www.pulumi.com/docs/iac/download-install/), which is used instead where it is on the PATH`,
    );
  }
}

/** The packages that this engine can manage, and their instances: one for each provider resource of the stack. */
export class ProviderRegistry {
  private readonly byPackage = new Map<string, Provider>();
  private readonly ofProviders: ProviderInstance;
  /** By `<provider urn>::<id>`. */
  private readonly configured = new Map<string, { package: string; inputs: Inputs; instance?: ProviderInstance }>();

  constructor(providers: Provider[]) {
    for (const provider of providers) this.byPackage.set(provider.package, provider);
    this.ofProviders = providerResources((name) => this.forPackage(name));
  }

  /** @throws NotCovered naming the type */
  refuse(type: string): void {
    const provider = this.byPackage.get(packageOf(type));
    if (provider === undefined || !(isProviderType(type) || provider.supports(type))) throw new NotCovered(type);
  }

  /** @throws NotCovered naming the package */
  forPackage(name: string): Provider {
    const provider = this.byPackage.get(name);
    if (provider === undefined) throw new NotCovered(`package "${name}"`);
    return provider;
  }

  /** Remembers the inputs of a provider resource, for what refers to it. */
  configure({ type, urn, id, inputs }: { type: string; urn: string; id?: string; inputs: Inputs }): void {
    const reference = `${urn}::${id ?? ""}`;
    this.configured.get(reference)?.instance?.close?.();
    this.configured.set(reference, { package: packageOf(type), inputs });
  }

  /** What manages a resource. `provider` is its reference to a provider resource. @throws NotCovered naming the type */
  instance({ type, urn, provider = "" }: { type: string; urn: string; provider?: string }): ProviderInstance {
    this.refuse(type);
    if (isProviderType(type)) return this.ofProviders;
    const entry = this.configured.get(provider);
    if (entry === undefined) throw new Error(`${urn} refers to the provider "${provider}", which is not in the state`);
    entry.instance ??= this.forPackage(entry.package).configure(entry.inputs);
    return entry.instance;
  }

  close(): void {
    for (const { instance } of this.configured.values()) instance?.close?.();
  }
}

/** The providers that ship with the engine, for a program in the given folder. */
export function shippedProviders(programDir: string): Provider[] {
  // The plugin is built on a framework that writes its own version into every provider resource.
  const providerInputs = { "__pulumi-go-provider-version": "1.2.0" };
  return [Object.assign(new CommandProvider({ programDir }), { providerInputs }), new KubernetesProvider({ programDir })];
}
