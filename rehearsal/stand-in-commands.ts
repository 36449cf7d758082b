import type { CreateRequest, Inputs, Provider, ProviderInstance, UpdateRequest } from "../engine/providers";

/**
 * Commands on hosts that nobody runs: each succeeds at once and touches nothing. What they check, compare and preview is the
 * real provider's doing.
 */
export class StandInCommands implements Provider {
  readonly package: string;
  readonly version: string;

  constructor(
    private readonly real: Provider,
    /** What a command writes to stdout, by its URN. */
    private readonly answer: (urn: string) => string,
  ) {
    this.package = real.package;
    this.version = real.version;
  }

  supports(type: string): boolean {
    return this.real.supports(type);
  }

  configure(inputs: Inputs): ProviderInstance {
    const instance = this.real.configure(inputs);
    return {
      check: (request) => instance.check(request),
      diff: (request) => instance.diff(request),
      create: (request: CreateRequest) =>
        request.preview ? instance.create(request) : Promise.resolve({ id: request.urn, outputs: { ...request.inputs, stdout: this.answer(request.urn), stderr: "" } }),
      update: (request: UpdateRequest) =>
        request.preview ? instance.update(request) : Promise.resolve({ outputs: { ...request.newInputs, stdout: this.answer(request.urn), stderr: "" } }),
      delete: () => Promise.resolve(),
      read: (request) => instance.read(request),
      close: () => instance.close?.(),
    };
  }
}
