import { gpuFact } from "../catalog";
import { rule } from "../rule";
import { SERVER, type ServerSpec } from "../specs";

const words = { none: "no NVLink", bridge: "NVLink bridges", nvswitch: "NVSwitch" } as const;

export const nvlinkTheGpuHas = rule<ServerSpec>({
  name: "nvlink-the-gpu-has",
  title: "NVLink in the form the GPU has",
  description: "NVLink must be asked for in the form that the GPU has: none, bridges between pairs of cards, or NVSwitch on SXM boards of eight.",
  section: "guide 2.1, facts 1",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Write gpus.nvlink as the hardware is. RTX 4090, RTX 6000 Ada and L40S have none; PCIe cards of A100, A40, H100 and H200 NVL can be bridged; boards of eight SXM modules have NVSwitch and do not start without its fabric manager.",
  types: [SERVER],
  check(spec, _settings, report) {
    if (!spec.gpus) return;
    const { model, nvlink, count } = spec.gpus;
    const { name, nvlink: own } = gpuFact(model);
    const at = `servers.${spec.name}.gpus`;
    // Boards of four SXM modules link them directly, without NVSwitch.
    const optional = nvlink === "none" && (own.kind === "bridge" || count < 8);
    if (nvlink !== own.kind && !optional) {
      report({ at: `${at}.nvlink`, problem: `${words[nvlink]} asked of ${name}, which has ${words[own.kind]}`, limit: own.kind === "bridge" ? "bridge or none" : own.kind, remedy: `write nvlink: ${own.kind}` });
    } else if (nvlink === "bridge" && count % 2 !== 0) {
      report({ at: `${at}.count`, problem: `${count} cards joined by bridges, which join 2${own.mostBridged > 2 ? ` or ${own.mostBridged}` : ""} at a time`, limit: "an even number", remedy: "add or take out a card, or write nvlink: none" });
    }
  },
});
