import { describe, expect, it } from "vitest";
import { environmentSchema, type Environment } from "../../components/environment/schema";
import { latencyPeers, rdmaPeers } from "../../components/monitoring/peers";
import { monitoringServer } from "../../components/monitoring/server";
import { hostKey } from "../support/environments";

const name = (index: number): string => `gpu-${String(index).padStart(3, "0")}`;

function site(servers: number, rdma: (index: number) => boolean = () => true): Environment {
  return environmentSchema.parse({
    site: { name: "lab" },
    servers: Object.fromEntries(
      Array.from({ length: servers }, (_, index) => [
        name(index),
        { address: `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`, hostKey: hostKey(name(index)), cpu: { model: "epyc-7543" }, memoryGiB: 256, pcieGeneration: 4, nics: { eno1: { speedGbps: 10 }, ens5f0: { speedGbps: 100, rdma: rdma(index) ? "roce" : "none" } }, drives: { [`ata-A_${index}`]: { kind: "sata-ssd", capacityGB: 960 } }, tiers: { warm: { level: "single", drives: [`ata-A_${index}`] } } },
      ]),
    ),
  });
}
const names = (peers: readonly { name: string }[]): string[] => peers.map((peer) => peer.name);
const reversed = (environment: Environment): Environment => ({ ...environment, servers: Object.fromEntries(Object.entries(environment.servers).reverse()) });

describe("the servers to which one measures its network latency", () => {
  it("are all others up to 32 servers, and beyond that neighbours at doubling distances both ways", () => {
    expect(names(latencyPeers(site(3), name(1)))).toEqual([name(2), name(0)]);
    expect(latencyPeers(site(32), name(5))).toHaveLength(31);
    const distances = names(latencyPeers(site(200), name(0))).map((peer) => Number(peer.slice(4)));
    expect(distances).toEqual([1, 2, 4, 8, 16, 32, 64, 136, 168, 184, 192, 196, 198, 199]);
  });

  it("are none for a server alone", () => {
    expect(latencyPeers(site(1), name(0))).toEqual([]);
    expect(rdmaPeers(site(1), name(0))).toEqual([]);
  });
});

describe("the servers to which one measures its RDMA latency", () => {
  it("are at most eight, the nearest of the ring first, with how many interfaces they have", () => {
    expect(names(rdmaPeers(site(200), name(0)))).toEqual([1, 199, 2, 198, 4, 196, 8, 192].map(name));
    expect(rdmaPeers(site(2), name(0))).toEqual([{ name: name(1), address: "10.0.0.2", nics: 1 }]);
  });

  it("are those with RDMA only, and none for a server without", () => {
    const even = site(10, (index) => index % 2 === 0);
    for (let index = 0; index < 10; index++) {
      const peers = rdmaPeers(even, name(index));
      expect(peers.length).toBe(index % 2 === 0 ? 4 : 0);
      expect(peers.every((peer) => Number(peer.name.slice(4)) % 2 === 0 && peer.name !== name(index))).toBe(true);
    }
  });

  it("measure back wherever they are measured to", () => {
    const environment = site(23);
    for (const own of Object.keys(environment.servers)) for (const peer of rdmaPeers(environment, own)) expect(names(rdmaPeers(environment, peer.name))).toContain(own);
  });
});

it("neither depends on the order of the environment's file", () => {
  for (const servers of [5, 40]) {
    const environment = site(servers);
    for (const own of Object.keys(environment.servers)) {
      expect(latencyPeers(reversed(environment), own)).toEqual(latencyPeers(environment, own));
      expect(rdmaPeers(reversed(environment), own)).toEqual(rdmaPeers(environment, own));
    }
    expect([monitoringServer(environment), monitoringServer(reversed(environment))]).toEqual([name(0), name(0)]);
  }
});
