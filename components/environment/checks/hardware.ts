import { cpu, gpu, type GpuFact } from "../../catalog";
import type { Finding } from "../problems";
import type { Gpus, Server } from "../schema";
import type { Checkable } from "./checkable";

function* cpuFindings(keys: readonly PropertyKey[], server: Server): Generator<Finding> {
  const fact = cpu(server.cpu.model);
  if (fact === undefined) return;
  if (server.cpu.sockets > fact.mostSockets) {
    yield { keys: [...keys, "cpu", "sockets"], message: `is more than ${fact.name} works in`, value: server.cpu.sockets, allowed: `1 to ${fact.mostSockets}` };
  }
}

function* nvlinkFindings(place: readonly PropertyKey[], gpus: Gpus, fact: GpuFact): Generator<Finding> {
  const keys = [...place, "nvlink"];
  const value = gpus.nvlink;
  if (value === "nvswitch" && fact.nvlink.kind !== "nvswitch") {
    yield { keys, message: `cannot be: ${fact.name} is a PCIe card, NVSwitch is on HGX and DGX boards only`, value, allowed: fact.nvlink.kind === "bridge" ? "none, bridge" : "none" };
  } else if (value === "bridge" && fact.nvlink.kind !== "bridge") {
    const reason = fact.nvlink.kind === "none" ? "has no NVLink" : "sits on a board with NVLink of its own";
    yield { keys, message: `cannot be: ${fact.name} ${reason}`, value, allowed: fact.nvlink.kind === "none" ? "none" : "none, nvswitch" };
  } else if (value === "bridge" && gpus.count % 2 !== 0) {
    yield { keys: [...place, "count"], message: "is odd, but bridges join cards in pairs", value: gpus.count, fix: "Write an even count, or nvlink: none." };
  } else if (value === "none" && fact.nvlink.kind === "nvswitch" && gpus.count >= 8) {
    yield { keys, message: `cannot be: boards with ${gpus.count} ${fact.name} have NVSwitch, and without its fabric manager CUDA does not start`, value, fix: "Write nvswitch." };
  }
}

function* migFindings(place: readonly PropertyKey[], gpus: Gpus, fact: GpuFact): Generator<Finding> {
  if (gpus.mig === undefined) return;
  const keys = [...place, "mig"];
  if (fact.mig === undefined) {
    yield { keys, message: `cannot be: ${fact.name} has no MIG`, value: gpus.mig, fix: "Remove it; cluster.timeSlicing shares a card without MIG." };
  } else if (!fact.mig.profiles.includes(gpus.mig.replace("+me", ""))) {
    yield { keys, message: `is not a profile of ${fact.name}`, value: gpus.mig, allowed: fact.mig.profiles.join(", ") };
  }
}

function* powerLimitFindings(place: readonly PropertyKey[], { powerLimitWatts }: Gpus, fact: GpuFact): Generator<Finding> {
  if (powerLimitWatts === undefined || powerLimitWatts <= fact.powerWatts) return;
  yield { keys: [...place, "powerLimitWatts"], message: `is above the board power of ${fact.name}`, value: powerLimitWatts, allowed: `at most ${fact.powerWatts}`, fix: "Write what the card may draw, or leave it out for the card's own limit." };
}

function* gpuFindings(keys: readonly PropertyKey[], gpus: Gpus): Generator<Finding> {
  const fact = gpu(gpus.model);
  const place = [...keys, "gpus"];
  if (fact === undefined) return;
  yield* nvlinkFindings(place, gpus, fact);
  yield* migFindings(place, gpus, fact);
  yield* powerLimitFindings(place, gpus, fact);
}

/** CPUs and GPUs can be put together as written. */
export function* hardwareFindings({ servers, software }: Checkable): Generator<Finding> {
  for (const [name, server] of Object.entries(servers)) {
    const keys = ["servers", name];
    yield* cpuFindings(keys, server);
    if (server.gpus !== undefined) yield* gpuFindings(keys, server.gpus);
  }
  if (software?.driver.source === "ubuntu" && software.os !== "ubuntu-22.04") {
    yield { keys: ["software", "driver", "source"], message: `cannot be: ${software.os} has no Ubuntu packages`, value: "ubuntu", allowed: "nvidia" };
  }
}
