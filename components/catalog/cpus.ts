/** What is known of one CPU model. */
export interface CpuFact {
  name: string;
  generation: "ice-lake" | "milan" | "sapphire-rapids" | "genoa";
  coresPerSocket: number;
  pcieGeneration: 3 | 4 | 5;
  pcieLanesPerSocket: number;
  /**
   * Lanes that slots of a two-socket server can have. Two EPYCs spend part of their lanes on talking to each other:
   * between 128 and 160 are left, and the lower end is taken here, for it holds on every board.
   */
  pcieLanesTwoSockets?: number;
  mostSockets: number;
  memoryChannelsPerSocket: number;
  memoryType: string;
  memoryBandwidthGBpsPerSocket: number;
  powerWattsPerSocket: number;
  source: string;
  conflict?: string;
}

const ark = "facts 2 (Intel ARK, July 2023)";
const amd = "facts 2 (AMD product list, July 2023)";
const bandwidth = "memory bandwidth computed: channels x transfers x 8 bytes";
const twoSocketEpyc = "two-socket lanes: general knowledge, 128 to 160 depending on the board";

type Varying = "name" | "coresPerSocket" | "powerWattsPerSocket";

const iceLake = (fact: Pick<CpuFact, Varying> & { memoryMegatransfers: 2667 | 3200 }): CpuFact => ({
  name: fact.name, generation: "ice-lake",
  coresPerSocket: fact.coresPerSocket, pcieGeneration: 4, pcieLanesPerSocket: 64, pcieLanesTwoSockets: 128, mostSockets: 2,
  memoryChannelsPerSocket: 8, memoryType: `DDR4-${fact.memoryMegatransfers}`, memoryBandwidthGBpsPerSocket: (8 * fact.memoryMegatransfers * 8) / 1000,
  powerWattsPerSocket: fact.powerWattsPerSocket, source: `${ark}; ${bandwidth}`,
});

const sapphireRapids = (fact: Pick<CpuFact, Varying>, memoryMegatransfers: 4400 | 4800 = 4800): CpuFact => ({
  ...fact, generation: "sapphire-rapids",
  pcieGeneration: 5, pcieLanesPerSocket: 80, pcieLanesTwoSockets: 160, mostSockets: 2,
  memoryChannelsPerSocket: 8, memoryType: `DDR5-${memoryMegatransfers}`, memoryBandwidthGBpsPerSocket: (8 * memoryMegatransfers * 8) / 1000,
  source: `${ark}; ${bandwidth}${memoryMegatransfers === 4400 ? "; memory speed: general knowledge" : ""}`,
});

const genoa = (fact: Pick<CpuFact, Varying>): CpuFact => ({
  ...fact, generation: "genoa",
  pcieGeneration: 5, pcieLanesPerSocket: 128, pcieLanesTwoSockets: 128, mostSockets: 2,
  memoryChannelsPerSocket: 12, memoryType: "DDR5-4800", memoryBandwidthGBpsPerSocket: 460.8,
  source: `${amd}; ${twoSocketEpyc}`,
});

/** CPUs by catalog id (guide 2.1, 6.1; facts 2). */
export const cpuCatalog = {
  "xeon-silver-4310": iceLake({ name: "Intel Xeon Silver 4310", coresPerSocket: 12, powerWattsPerSocket: 120, memoryMegatransfers: 2667 }),
  "xeon-gold-6348": iceLake({ name: "Intel Xeon Gold 6348", coresPerSocket: 28, powerWattsPerSocket: 235, memoryMegatransfers: 3200 }),
  "xeon-platinum-8380": iceLake({ name: "Intel Xeon Platinum 8380", coresPerSocket: 40, powerWattsPerSocket: 270, memoryMegatransfers: 3200 }),
  "epyc-7543": {
    name: "AMD EPYC 7543", generation: "milan",
    coresPerSocket: 32, pcieGeneration: 4, pcieLanesPerSocket: 128, pcieLanesTwoSockets: 128, mostSockets: 2,
    memoryChannelsPerSocket: 8, memoryType: "DDR4-3200", memoryBandwidthGBpsPerSocket: 204.8,
    powerWattsPerSocket: 225, source: `${amd}; ${twoSocketEpyc}`,
  },
  "xeon-platinum-8480c": {
    ...sapphireRapids({ name: "Intel Xeon Platinum 8480C", coresPerSocket: 56, powerWattsPerSocket: 350 }),
    source: `facts 2 (MLPerf system descriptions of DGX H100: 56 cores); lanes, memory and power as the 8480+: general knowledge`,
  },
  "xeon-platinum-8480-plus": sapphireRapids({ name: "Intel Xeon Platinum 8480+", coresPerSocket: 56, powerWattsPerSocket: 350 }),
  "xeon-gold-6430": sapphireRapids({ name: "Intel Xeon Gold 6430", coresPerSocket: 32, powerWattsPerSocket: 270 }, 4400),
  "xeon-gold-6448y": sapphireRapids({ name: "Intel Xeon Gold 6448Y", coresPerSocket: 32, powerWattsPerSocket: 225 }),
  "xeon-platinum-8462y-plus": sapphireRapids({ name: "Intel Xeon Platinum 8462Y+", coresPerSocket: 32, powerWattsPerSocket: 300 }),
  "epyc-9354": genoa({ name: "AMD EPYC 9354", coresPerSocket: 32, powerWattsPerSocket: 280 }),
  "epyc-9554": genoa({ name: "AMD EPYC 9554", coresPerSocket: 64, powerWattsPerSocket: 360 }),
  "epyc-9654": genoa({ name: "AMD EPYC 9654", coresPerSocket: 96, powerWattsPerSocket: 360 }),
} as const satisfies Record<string, CpuFact>;

export type CpuId = keyof typeof cpuCatalog;

/** PCIe lanes that a server with this many sockets has for slots, at the CPU's own generation. */
export function pcieLanes(fact: CpuFact, sockets: number): number {
  if (sockets === 2 && fact.pcieLanesTwoSockets !== undefined) return fact.pcieLanesTwoSockets;
  return fact.pcieLanesPerSocket * sockets;
}
