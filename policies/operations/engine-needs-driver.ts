import { compareVersions } from "../../components/catalog";
import { engineFact } from "../catalog";
import { rule } from "../rule";
import { GPU_DRIVER, type GpuDriverSpec } from "../specs";

export const engineNeedsDriver = rule<GpuDriverSpec>({
  name: "engine-needs-driver",
  title: "A driver for the inference engine's CUDA",
  description: "The driver must run the CUDA release that each engine of the environment is built for.",
  section: "facts 0.1 and 3",
  severity: "critical",
  enforcementLevel: "mandatory",
  remediationSteps: "Set software.driver.branch to 580. Today's vLLM is built for CUDA 13, which needs driver 580; the guide's baseline of CUDA 12.2 with driver 535 cannot run it.",
  types: [GPU_DRIVER],
  check(spec, _settings, report) {
    for (const id of spec.engines) {
      const engine = engineFact(id);
      if (compareVersions(spec.version, engine.minimumDriver) >= 0) continue;
      report({ at: "software.driver.branch", problem: `${engine.name} ${engine.version} is built for CUDA ${engine.cuda} and does not run on driver ${spec.version} (${spec.server})`, limit: `driver ${engine.minimumDriver} or newer`, remedy: `set the branch to ${engine.minimumDriver} or newer` });
    }
  },
});
