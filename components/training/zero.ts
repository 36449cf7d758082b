import type { Environment } from "../environment/schema";
import type { Finding } from "../environment/problems";
import { filesMount, programOf, type TrainingSpec } from "./launchers";

export const deepspeedConfigPath = `${filesMount}/deepspeed.json`;

/** Reference that Kubernetes replaces in a command by the path of the configuration that the environment's zeroStage makes. */
export const deepspeedConfigReference = "$(RACKWRIGHT_DEEPSPEED_CONFIG)";

/**
 * DeepSpeed's configuration for a ZeRO stage. A program loads it, sets its own batch size and hands it to DeepSpeed, or is
 * given its path. Gradients and reductions overlap with the backward pass; stage 3 gathers 16-bit weights when it saves.
 */
export function deepspeedConfig(stage: number): Record<string, unknown> {
  return {
    train_micro_batch_size_per_gpu: 1,
    bf16: { enabled: true },
    zero_optimization: {
      stage,
      ...(stage >= 1 ? { overlap_comm: true, contiguous_gradients: true } : {}),
      ...(stage === 3 ? { stage3_gather_16bit_weights_on_model_save: true } : {}),
    },
    // Each server writes to drives of its own: the first process on each makes the folders, not the first of all.
    checkpoint: { use_node_local_storage: true },
  };
}

/** The DeepSpeed configuration that a command names, or undefined. */
function ownConfig(command: readonly string[]): string | undefined {
  for (const [place, word] of command.entries()) {
    const match = /^--deepspeed(?:[_-]config)?(?:=(.*))?$/.exec(word);
    const path = match === null ? undefined : (match[1] ?? command[place + 1]);
    if (path?.endsWith(".json") === true) return path;
  }
  return undefined;
}

/**
 * What is wrong with the training jobs themselves, before anything is placed. What a file of the program's own says is
 * compared in the pod, where it can be read.
 */
export function trainingFindings(environment: Environment): Finding[] {
  return Object.entries(environment.training).flatMap(([name, spec]) => [...stageFindings(name, spec), ...programFindings(name, spec), ...checkpointFindings(environment, name, spec)]);
}

function stageFindings(name: string, { zeroStage, command }: TrainingSpec): Finding[] {
  const findings: Finding[] = [];
  const own = ownConfig(command);
  const named = own === undefined ? undefined : /(?:zero|stage)[-_]?([0-3])(?!\d)/i.exec(own)?.[1];
  if (zeroStage !== undefined && named !== undefined && Number(named) !== zeroStage) {
    findings.push({
      keys: ["training", name, "command"], message: `names a DeepSpeed configuration of stage ${named}, but zeroStage is ${zeroStage}`, value: own,
      fix: `Make them agree, or write ${deepspeedConfigReference} in its place for the one that zeroStage makes.`,
    });
  }
  if (zeroStage === undefined && command.some((word) => word.includes(deepspeedConfigReference))) {
    findings.push({ keys: ["training", name, "command"], message: `uses ${deepspeedConfigReference}, which there is only with zeroStage`, fix: "State zeroStage, or name a file of your own." });
  }
  return findings;
}

function programFindings(name: string, { launcher, servers, command }: TrainingSpec): Finding[] {
  const program = programOf(command);
  const duplicates = servers.filter((server, place) => servers.indexOf(server) !== place);
  return [
    ...duplicates.map((server): Finding => ({ keys: ["training", name, "servers"], message: "names a server twice", value: server, fix: "A job has one pod on each of its servers; gpusPerServer says how many GPUs it has there." })),
    ...(launcher === "colossalai" && servers.length === 1 && (program.kind === "executable" || (program.kind === "script" && !program.target.endsWith(".py")))
      ? [{ keys: ["training", name, "command"], message: "is neither a Python script nor a module, which is all that `colossalai run` starts", value: program.target, fix: "Name a script that ends in .py, or use launcher: torchrun." }]
      : []),
  ];
}

function checkpointFindings(environment: Environment, name: string, { servers }: TrainingSpec): Finding[] {
  const { tier } = environment.recovery.checkpoints;
  return servers.flatMap((server): Finding[] => {
    const tiers = Object.hasOwn(environment.servers, server) ? environment.servers[server]?.tiers : undefined;
    if (tiers === undefined || (tier === undefined ? tiers.warm ?? tiers.cold : tiers[tier]) !== undefined) return [];
    return [{
      keys: ["training", name, "servers"], message: `${server} has no ${tier ?? "warm or cold"} tier to keep checkpoints on`,
      fix: tier === undefined ? `Give servers.${server} a warm or a cold tier.` : `Give servers.${server} a ${tier} tier, or change recovery.checkpoints.tier.`,
    }];
  });
}
