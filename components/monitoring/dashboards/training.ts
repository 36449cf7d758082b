import { boardUids, layOut, type BoardInput } from "./board";
import type { Facts } from "./facts";
import { graph, table, tile, units } from "./panels";
import { longWindow, window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

const ofJob = 'name=~"$job"';
const labelledJob = 'service=~"$job"';
const training = 'namespace="training"';
const width = 8;

/** Training jobs by what they leave behind: checkpoints say how far a job is, whatever framework it uses. */
export function trainingBoard({ environment }: BoardInput, facts: Facts): DashboardModel {
  const { everySteps } = environment.recovery.checkpoints;
  return layOut({
    uid: boardUids.training,
    title: "Training and checkpoints",
    description: "Progress of training jobs as their checkpoints show it, and what they use.",
    variables: [{ name: "job", series: "rackwright_checkpoint_step", label: "name" }],
    rows: [
      { title: "Progress", panels: progress(everySteps) },
      { title: "Jobs", panels: jobs() },
      { title: "What they use", panels: use(facts) },
    ],
  });
}

function progress(everySteps: number): PanelBuilder[] {
  return [
    tile({ title: "Newest step", description: "Of the newest complete checkpoint, the farthest of the chosen jobs.", unit: units.count, decimals: 0, width: 6, query: { expr: `max(rackwright_checkpoint_step{${ofJob}})`, legend: "step" } }),
    tile({ title: "Age of the newest checkpoint", description: "What would be lost if the job died now; the oldest of the chosen jobs.", unit: units.seconds, decimals: 0, width: 6, alert: "CheckpointOverdue", query: { expr: `max(time() - max by (name) (rackwright_checkpoint_timestamp_seconds{${ofJob}}))`, legend: "age" } }),
    tile({ title: "Pace", description: "Steps an hour, from the checkpoints of the last hour; the slowest of the chosen jobs.", unit: units.perHour, decimals: 0, width: 6, query: { expr: `min(max by (name) (deriv(rackwright_checkpoint_step{${ofJob}}[${longWindow}]))) * 3600`, legend: "steps" } }),
    tile({ title: "Out of step", description: "Steps between the newest checkpoints of a job's servers. A restart begins from the newest that all of them have, so that the difference is lost work.", unit: units.count, decimals: 0, width: 6, limit: { value: everySteps + 1, wrong: "above" }, query: { expr: `max(max by (name) (rackwright_checkpoint_step{${ofJob}}) - min by (name) (rackwright_checkpoint_step{${ofJob}}))`, legend: "steps" } }),
    graph({ title: "Steps", description: `Of the newest complete checkpoint on each server. One is kept every ${everySteps} steps.`, unit: units.count, min: 0, decimals: 0, queries: [{ expr: `max by (name, server) (rackwright_checkpoint_step{${ofJob}})`, legend: "{{name}} on {{server}}" }], width: 12 }),
    graph({ title: "Age of checkpoints", description: "Time since the newest complete checkpoint on each server. It falls to nothing each time that one is written.", unit: units.seconds, min: 0, alert: "CheckpointOverdue", queries: [{ expr: `time() - max by (name, server) (rackwright_checkpoint_timestamp_seconds{${ofJob}})`, legend: "{{name}} on {{server}}" }], width: 12 }),
  ];
}

function jobs(): PanelBuilder[] {
  const ofPlan = `kube_job_labels{${training}, label_rackwright_dev_service=~"$job"}`;
  const byServer = (metric: string): string => `sum by (label_rackwright_dev_service, label_rackwright_dev_server) (max by (namespace, job_name) (${metric}{${training}}) * on (namespace, job_name) group_left (label_rackwright_dev_service, label_rackwright_dev_server) ${ofPlan})`;
  return [
    table({
      title: "Jobs",
      description: "One Kubernetes Job on each server of a training job; all of them run, or none makes progress.",
      alert: "TrainingJobFailed",
      keys: { label_rackwright_dev_service: "Job", label_rackwright_dev_server: "Server" },
      columns: [
        { header: "Pods that run", expr: byServer("kube_job_status_active"), unit: units.count },
        { header: "Failures", expr: byServer("kube_job_status_failed"), unit: units.count },
      ],
      links: { label_rackwright_dev_server: { board: boardUids.server, variable: "server" } },
      width: 12,
    }),
    graph({ title: "Starts again", description: "Of containers, in the last hour: each goes back to the newest checkpoint that all servers have.", unit: units.count, min: 0, queries: [{ expr: `sum by (pod) (increase(kube_pod_container_status_restarts_total{${training}}[${longWindow}]))`, legend: "{{pod}}" }], width: 12 }),
  ];
}

function use({ hasRdma }: Facts): PanelBuilder[] {
  const holders = `${training}, ${labelledJob}`;
  return [
    graph({ title: "GPU utilisation", description: "Mean of a job's GPUs on each server. One server below the others holds all of them up.", unit: units.percent, min: 0, max: 100, queries: [{ expr: `avg by (service, server) (rackwright:gpu_utilization:percent{${holders}})`, legend: "{{service}} on {{server}}" }], width }),
    graph({ title: "Draw", description: "Of the GPUs that a job holds.", unit: units.watts, min: 0, queries: [{ expr: `sum by (service) (rackwright:gpu_power:watts{${holders}})`, legend: "{{service}}" }], width }),
    ...(hasRdma ? [graph({ title: "RDMA traffic", description: "Data that RDMA cards of the job's servers sent: gradients go this way.", unit: units.bytesPerSecond, min: 0, queries: [{ expr: `sum by (server) (rate(node_infiniband_port_data_transmitted_bytes_total[${window}]) and on (server) rackwright_checkpoint_step{${ofJob}})`, legend: "{{server}}" }], width })] : []),
  ];
}
