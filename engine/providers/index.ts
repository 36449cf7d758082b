import { isProviderType, packageOf } from "../urn";
import { CommandProvider } from "./command";
import type { Provider } from "./provider";
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

/** The packages that this engine can manage. A new package is one more `Provider` in the list. */
export class ProviderRegistry {
  private readonly byPackage = new Map<string, Provider>();
  private readonly ofProviders: Provider;

  constructor(providers: Provider[]) {
    for (const provider of providers) this.byPackage.set(provider.package, provider);
    this.ofProviders = providerResources((type) => this.byPackage.has(packageOf(type)));
  }

  /** @throws NotCovered naming the type */
  forType(type: string): Provider {
    const provider = isProviderType(type) ? this.ofProviders : this.byPackage.get(packageOf(type));
    if (provider?.supports(type) !== true) throw new NotCovered(type);
    return provider;
  }

  /** @throws NotCovered naming the package */
  forPackage(name: string): Provider {
    const provider = this.byPackage.get(name);
    if (provider === undefined) throw new NotCovered(`package "${name}"`);
    return provider;
  }

  close(): void {
    for (const provider of this.byPackage.values()) provider.close?.();
  }
}

/** The providers that ship with the engine, for a program in the given folder. */
export function shippedProviders(programDir: string): Provider[] {
  // The plugin is built on a framework that writes its own version into every provider resource.
  const providerInputs = { "__pulumi-go-provider-version": "1.2.0" };
  return [Object.assign(new CommandProvider({ programDir }), { providerInputs })];
}
