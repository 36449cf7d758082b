import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const persistenceDaemon = rule<GpuDriverSpec>({
  name: "persistence-daemon",
  title: "The persistence daemon runs",
  description: "The persistence daemon should run, so that the driver keeps its state while no process uses a GPU.",
  section: "facts 3",
  severity: "low",
  enforcementLevel: "advisory",
  remediationSteps: "Remove `persistenceDaemon: false` from software.driver. Without it each first process waits seconds for the driver, and power limits are forgotten.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    if (spec.persistenceDaemon) return;
    report({ at: "software.driver.persistenceDaemon", problem: `the persistence daemon is off on ${spec.server}`, limit: "true", remedy: "remove the setting or set it to true" });
  },
});
