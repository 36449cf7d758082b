import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hasNamespaces, ScratchHost } from "../cluster/scratch-host";
import type { Finished } from "./host-script";

const folder = "/var/lib/rackwright/metrics";
/** As perftest 4.5 prints it, between two emulated servers with soft RoCE. */
const answer = `
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
 2       1000          1.98           112.60       2.31               2.48           0.81            4.75                   112.60`;
/** What becomes of a measurement is in /run/peer/<address>: \`ok\`, \`refused\`, \`silent\`, \`nonsense\`, or \`busy\`, which is \`ok\` the next time. */
const writeLatency = `
echo "$*" >>/run/calls
peer=/run/peer/\${!#}; what=$(cat $peer 2>/dev/null || echo refused)
case $what in
  ok) cat <<'TEXT'${answer}
TEXT
    ;;
  busy) echo ok >$peer; echo "Couldn't connect"; exit 1 ;;
  refused) echo "Couldn't connect to it"; exit 1 ;;
  silent) exit 124 ;;
  nonsense) echo "2 1000 inf nan nan nan nan nan nan" ;;
esac`;
const stubs = { ib_write_lat: writeLatency, sleep: "true", timeout: 'while [[ $1 == --* ]]; do shift; done; shift; exec "$@"' };

if (!hasNamespaces()) process.stderr.write("unshare gives no mounts here (a kernel without user namespaces): rdma-latency.sh was not run\n");

describe.skipIf(!hasNamespaces())("rdma-latency.sh", () => {
  let host: ScratchHost;
  beforeEach(() => {
    host = new ScratchHost(stubs);
    host.write(`${folder}/.keep`, "");
    host.write("/run/calls", "");
    device("mlx5_0", "ens5f0");
    device("mlx5_1", "ens6f0");
  });
  afterEach(() => { host.remove(); });

  /** An RDMA device in sysfs with the addresses that a RoCE port has: link-local v1 and v2, and IPv4's. */
  function device(name: string, nic: string): void {
    const port = `/sys/class/infiniband/${name}/ports/1`;
    host.write(`${port}/gid_attrs/ndevs/0`, `${nic}\n`);
    const addresses: [string, string][] = [["IB/RoCE v1", "fe80:0000:0000:0000:5054:00ff:fe00:0101"], ["RoCE v2", "fe80:0000:0000:0000:5054:00ff:fe00:0101"], ["IB/RoCE v1", "0000:0000:0000:0000:0000:ffff:0a4d:0001"], ["RoCE v2", "0000:0000:0000:0000:0000:ffff:0a4d:0001"]];
    addresses.forEach(([type, gid], index) => {
      host.write(`${port}/gid_attrs/types/${index}`, `${type}\n`);
      host.write(`${port}/gids/${index}`, `${gid}\n`);
    });
  }
  const peer = (address: string, what: string): void => host.write(`/run/peer/${address}`, `${what}\n`);
  const measure = (...args: string[]): Promise<Finished> => host.run("rdma-latency.sh", ["measure", "--folder", folder, ...args]);
  const lines = (): string[] => host.read(`${folder}/rackwright-rdma.prom`).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const calls = (): string[] => host.read("/run/calls").trim().split("\n").filter((line) => line !== "");

  it("leaves the typical latency and that of one in a hundred, in seconds", async () => {
    peer("10.0.0.12", "ok");
    expect((await measure("--nic", "ens5f0", "--peer", "gpu-02=10.0.0.12=1")).code).toBe(0);
    expect(lines()).toEqual([
      'rackwright_rdma_latency_seconds{peer="gpu-02",device="mlx5_0",stat="typical"} 0.000002310',
      'rackwright_rdma_latency_seconds{peer="gpu-02",device="mlx5_0",stat="p99"} 0.000004750',
      'rackwright_rdma_probe_success{peer="gpu-02",device="mlx5_0"} 1',
    ]);
    expect(calls()).toEqual(["--ib-dev=mlx5_0 --gid-index=3 --port=18615 --size=2 --iters=1000 10.0.0.12"]);
  });

  it("pairs interfaces by their order, as far as both have them, one after the other", async () => {
    for (const address of ["10.0.0.12", "10.0.0.13"]) peer(address, "ok");
    await measure("--nic", "ens5f0", "--nic", "ens6f0", "--peer", "gpu-02=10.0.0.12=2", "--peer", "gpu-03=10.0.0.13=1");
    expect(calls().map((call) => call.replace(/--gid-index=3 |--size=2 --iters=1000 /g, ""))).toEqual(["--ib-dev=mlx5_0 --port=18615 10.0.0.12", "--ib-dev=mlx5_1 --port=18616 10.0.0.12", "--ib-dev=mlx5_0 --port=18615 10.0.0.13"]);
    expect(lines().filter((line) => line.startsWith("rackwright_rdma_probe_success"))).toHaveLength(3);
  });

  it("asks again where the peer answers another", async () => {
    peer("10.0.0.12", "busy");
    await measure("--nic", "ens5f0", "--peer", "gpu-02=10.0.0.12=1");
    expect(calls()).toHaveLength(2);
    expect(lines().at(-1)).toBe('rackwright_rdma_probe_success{peer="gpu-02",device="mlx5_0"} 1');
  });

  it.each([["refused", 4], ["nonsense", 1]])("says that it did not work where the answer is %s", async (what, asked) => {
    peer("10.0.0.12", what);
    expect((await measure("--nic", "ens5f0", "--peer", "gpu-02=10.0.0.12=1")).code).toBe(0);
    expect(lines()).toEqual(['rackwright_rdma_probe_success{peer="gpu-02",device="mlx5_0"} 0']);
    expect(calls()).toHaveLength(asked);
  });

  it("does not ask a silent server for each of its interfaces, nor wait again", async () => {
    peer("10.0.0.12", "silent");
    const run = await measure("--nic", "ens5f0", "--nic", "ens6f0", "--peer", "gpu-02=10.0.0.12=2");
    expect(calls()).toHaveLength(1);
    expect(run.stderr).toContain("10.0.0.12, device mlx5_0: no answer within 10 s");
    expect(lines()).toEqual(['rackwright_rdma_probe_success{peer="gpu-02",device="mlx5_0"} 0', 'rackwright_rdma_probe_success{peer="gpu-02",device="mlx5_1"} 0']);
  });

  it("names the interface where its device is gone", async () => {
    await measure("--nic", "ens9f0", "--peer", "gpu-02=10.0.0.12=1");
    expect(lines()).toEqual(['rackwright_rdma_probe_success{peer="gpu-02",device="ens9f0"} 0']);
    const respond = await host.run("rdma-latency.sh", ["respond", "--nic", "ens9f0"]);
    expect([respond.code, respond.stderr]).toEqual([1, expect.stringContaining("ens9f0 has no RDMA device now")]);
  });

  it("answers at the port of the interface's number, with no address of its own to ask", async () => {
    host.write("/run/peer/--iters=1000", "ok\n");
    const run = await host.run("rdma-latency.sh", ["respond", "--nic", "ens6f0", "--number", "1"]);
    expect([run.code, run.stdout]).toEqual([0, ""]);
    expect(calls()).toEqual(["--ib-dev=mlx5_1 --gid-index=3 --port=18616 --size=2 --iters=1000"]);
  });

  it("asks for no address on InfiniBand, which has none of RoCE's", async () => {
    for (const index of [0, 1, 2, 3]) host.write(`/sys/class/infiniband/mlx5_0/ports/1/gid_attrs/types/${index}`, "IB/RoCE v1\n");
    peer("10.0.0.12", "ok");
    await measure("--nic", "ens5f0", "--peer", "gpu-02=10.0.0.12=1");
    expect(calls()).toEqual(["--ib-dev=mlx5_0 --port=18615 --size=2 --iters=1000 10.0.0.12"]);
  });

  it.each([
    [[], /must be told what to do/],
    [["measure", "--nic", "ens5f0"], /--folder is needed/],
    [["respond"], /--nic is needed/],
    [["measure", "--folder", folder, "--nic", "ens5f0", "--peer", "gpu-02"], /--peer: must be NAME=ADDRESS=NICS/],
    [["measure", "--folder", folder, "--nic", "ens5f0", "--loud", "yes"], /unknown flag '--loud'/],
  ])("refuses %j", async (args, message) => {
    const run = await host.run("rdma-latency.sh", args);
    expect([run.code, run.stdout]).toEqual([2, ""]);
    expect(run.stderr).toMatch(message);
  });
});
