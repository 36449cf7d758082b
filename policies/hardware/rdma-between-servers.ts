import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = {
  speedGbps: { type: "number", minimum: 1, description: "Slowest RDMA network for a job over several servers.", default: 100 },
} as const;

export const rdmaBetweenServers = rule<SiteSpec, typeof settings>({
  name: "rdma-between-servers",
  title: "RDMA for jobs over several servers",
  description: "Every server of a training job over several servers should have an RDMA network of 100 Gbit/s or more.",
  section: "guide 5.1",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Give each of the job's servers a NIC with RoCE or InfiniBand, or run the job on one server.",
  types: [SITE],
  settings,
  check({ training, servers }, { speedGbps }, report) {
    for (const [job, { servers: names }] of Object.entries(training)) {
      if (names.length < 2) continue;
      for (const name of names) {
        const fastest = Math.max(0, ...Object.values(servers[name]?.nics ?? {}).filter(({ rdma }) => rdma !== "none").map((nic) => nic.speedGbps));
        if (fastest >= speedGbps) continue;
        report({ at: `servers.${name}.nics`, problem: `training job ${job} runs on ${names.length} servers and ${name} has ${fastest === 0 ? "no RDMA network" : `RDMA at ${fastest} Gbit/s`}`, limit: `RDMA at ${speedGbps} Gbit/s or more`, remedy: "add a NIC with RoCE or InfiniBand, or run the job on one server" });
      }
    }
  },
});
