import { remote, type types } from "@pulumi/command";
import type { Input, Resource } from "@pulumi/pulumi";
import { commandLine, type HostStep } from "./plan";

/** What every component that runs a host step is given. */
export interface HostStepArgs<Spec> {
  /** Plain and without secrets: what policies judge. */
  spec: Spec;
  step: HostStep;
  user: string;
  connection: types.input.remote.ConnectionArgs;
  /** What must be on the server before. On the command itself, for a component's own `dependsOn` is not its children's. */
  dependsOn: Resource[];
}

/**
 * Runs a step's `apply` when its command line changes. There is no `update`, so that the provider runs `create` again, and
 * no `delete`: nothing that Pulumi deletes ever touches a drive.
 */
export function hostCommand(parent: Resource, { step, user, connection, dependsOn }: Omit<HostStepArgs<unknown>, "spec">, stdin?: Input<string>): remote.Command {
  return new remote.Command(
    step.name,
    {
      connection,
      create: commandLine(step, "apply", user),
      ...(stdin === undefined ? {} : { stdin }),
      addPreviousOutputInEnv: false,
      logging: remote.Logging.Stderr,
    },
    { parent, dependsOn },
  );
}
