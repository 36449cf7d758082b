import { remote, type types } from "@pulumi/command";
import type { CustomResourceOptions, Input } from "@pulumi/pulumi";
import { commandLine, type HostStep } from "./plan";

/** What every component that runs a host step is given. */
export interface HostStepArgs<Spec> {
  /** Plain and without secrets: what policies judge. */
  spec: Spec;
  step: HostStep;
  user: string;
  connection: types.input.remote.ConnectionArgs;
}

/**
 * Runs a step's `apply` when its command line changes. There is no `update`, so that the provider runs `create` again, and
 * no `delete`: nothing that Pulumi deletes ever touches a drive.
 */
export function hostCommand({ step, user, connection }: Omit<HostStepArgs<unknown>, "spec">, options: CustomResourceOptions, stdin?: Input<string>): remote.Command {
  return new remote.Command(
    step.name,
    {
      connection,
      create: commandLine(step, "apply", user),
      ...(stdin === undefined ? {} : { stdin }),
      addPreviousOutputInEnv: false,
      logging: remote.Logging.Stderr,
    },
    options,
  );
}
