import { namespaces } from "../cluster/names";
import type { Environment } from "../environment/schema";
import type { Alert } from "../monitoring/alert";

/** How long a step may take before its checkpoint counts as overdue: several times what steps of large models take. */
const generousStepSeconds = 20;

/** How old the newest checkpoint of a job that trains may be, in seconds. */
export function checkpointOverdueSeconds({ recovery }: Pick<Environment, "recovery">): number {
  const { everySteps, everyMinutes } = recovery.checkpoints;
  // Twice the bound: writing takes its time as well.
  return Math.min(everySteps * generousStepSeconds, everyMinutes === undefined ? Infinity : 2 * everyMinutes * 60);
}

/** What can go wrong with training jobs; nothing where the environment has none. */
export function trainingAlerts(environment: Environment): Alert[] {
  const { cluster, training, recovery } = environment;
  if (cluster.distribution === "none" || Object.keys(training).length === 0) return [];
  const { everySteps } = recovery.checkpoints;
  return [
    {
      name: "CheckpointOverdue",
      severity: "warning",
      // A job that goes on from an old checkpoint counts from its own start.
      expr: `time() - (
  max by (name, server) (rackwright_checkpoint_timestamp_seconds or rackwright:training_started:seconds)
  and on (name, server) rackwright:training_started:seconds
) > ${checkpointOverdueSeconds(environment)}`,
      forSeconds: 900,
      summary: "{{ $labels.name }} on {{ $labels.server }} has written no checkpoint for {{ $value | humanizeDuration }}",
      meaning: "A fault would now cost all work since the last checkpoint, or since the start.",
      reason: `Guide 5.2: a checkpoint every ${everySteps} steps. How long these take nobody knows before: ${generousStepSeconds} s a step are several times what large models take (general knowledge), so that a slow job is not taken for one that hangs.`,
      steps: ["`kubectl -n training logs <pod> --tail=50`: does it still count steps?", "If it does, compare its checkpoint interval with `recovery.checkpoints.everySteps`, and see the room on the tier: `df -h <mountpoint>`.", "If it hangs: GpuNvlinkErrors, RdmaLinkErrors and GpuXid of its servers; then delete its pods, and it goes on from the newest checkpoint that all servers have (docs/training.md)."],
    },
    {
      name: "TrainingJobFailed",
      severity: "warning",
      expr: `max by (namespace, job_name) (kube_job_failed{namespace="${namespaces.training}",condition="true"}) == 1`,
      forSeconds: 0,
      summary: "The training job {{ $labels.job_name }} has failed",
      meaning: "Kubernetes has given it up. Its checkpoints stay.",
      reason: "A job gives up after ten failures of one server, or at once where its configuration is at fault: neither is mended by waiting (components/training/plan.ts).",
      steps: ["`kubectl -n training describe job <job>` for the reason, `kubectl -n training logs job/<job>` for the program's last words.", "Mend the cause, then `kubectl -n training delete job <job>` and `./rackwright up <environment> --refresh`: it goes on from the newest checkpoint that all servers have."],
    },
  ];
}
