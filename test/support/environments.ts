import { createHash } from "node:crypto";
import type { EnvironmentInput } from "../../components/environment";

type ServerInput = EnvironmentInput["servers"][string];

/** An Ed25519 host key made from a seed, well formed and different for every seed. Nobody has its private half. */
export function hostKey(seed: string): string {
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const blob = Buffer.concat([field(Buffer.from("ssh-ed25519")), field(createHash("sha256").update(seed).digest())]);
  return `ssh-ed25519 ${blob.toString("base64")}`;
}

/** A server with four GPUs, a hot tier of two NVMe drives and a mirrored warm tier. */
export function generatedServer(index: number): ServerInput {
  const serial = String(index).padStart(5, "0");
  const [nvmeA, nvmeB, ssdA, ssdB] = [
    `nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R${serial}A`,
    `nvme-SAMSUNG_MZQL23T8HCLS-00A07_S64HNE0R${serial}B`,
    `ata-Micron_5400_MTFDDAK3T8TGA_22363B5D${serial}A`,
    `ata-Micron_5400_MTFDDAK3T8TGA_22363B5D${serial}B`,
  ] as const;
  return {
    address: `10.${100 + Math.floor(index / 65_536)}.${Math.floor(index / 256) % 256}.${index % 256}`,
    hostKey: hostKey(`generated-${index}`),
    cpu: { model: "epyc-7543" },
    memoryGiB: 256,
    pcieGeneration: 4,
    gpus: { model: "a100-80gb-pcie", count: 4, nvlink: "bridge" },
    nics: { eno1: { speedGbps: 25 } },
    maxPowerWatts: 2400,
    drives: {
      [nvmeA]: { kind: "nvme", capacityGB: 3840 },
      [nvmeB]: { kind: "nvme", capacityGB: 3840 },
      [ssdA]: { kind: "sata-ssd", capacityGB: 3840 },
      [ssdB]: { kind: "sata-ssd", capacityGB: 3840 },
    },
    tiers: { hot: { level: "raid0", drives: [nvmeA, nvmeB] }, warm: { level: "raid1", drives: [ssdA, ssdB] } },
  };
}

/**
 * A well-formed environment with as many GPU servers as asked for, each with tiers, base environment and driver.
 * The same number gives the same environment.
 */
export function generatedEnvironment(servers: number): EnvironmentInput {
  const names = Array.from({ length: servers }, (_, index) => `gpu-${String(index + 1).padStart(4, "0")}`);
  return {
    site: {
      name: "generated",
      mirror: { apt: "https://mirror.example.org/apt", images: "registry.example.org/mirror" },
      objectStore: { endpoint: "https://s3.example.org", bucket: "generated" },
    },
    ssh: { user: "ops" },
    servers: Object.fromEntries(names.map((name, index) => [name, generatedServer(index + 1)])),
  };
}
