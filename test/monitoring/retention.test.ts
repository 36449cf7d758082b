import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createNetServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { prometheusFlags } from "../../components/monitoring/prometheus";
import { Part } from "../../rehearsal/control-plane/part";
import { pause } from "../../rehearsal/process";
import { monitoredSite } from "./environments";

/** Measurements survive that monitoring is taken out of an environment and put back: Prometheus ends, and starts again on its folder. */
describe("measurements, when monitoring is removed and added again", () => {
  let folder: string;
  let exporter: Server;
  let url: string;
  let value = 41;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rackwright-retention-"));
    exporter = createServer((_, response) => response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(`# TYPE room_watts gauge\nroom_watts ${value}\n`));
    await new Promise<void>((resolve) => exporter.listen(0, "127.0.0.1", resolve));
    const probe = createNetServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(probe.address() as AddressInfo).port}`;
    await new Promise((resolve) => probe.close(resolve));
    const target = `127.0.0.1:${(exporter.address() as AddressInfo).port}`;
    writeFileSync(join(folder, "prometheus.yml"), stringify({ scrape_configs: [{ job_name: "meter", scrape_interval: "200ms", scrape_timeout: "200ms", static_configs: [{ targets: [target] }] }] }));
  });
  afterAll(() => {
    exporter.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (): Part => new Part("prometheus", "prometheus", [`--config.file=${join(folder, "prometheus.yml")}`, ...prometheusFlags(monitoredSite(), join(folder, "data")), `--web.listen-address=${url.slice("http://".length)}`], folder);

  async function samples(expr: string): Promise<[number, string][]> {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expr)}`).catch(() => undefined);
    if (answer?.ok !== true) return [];
    const { data } = (await answer.json()) as { data: { result: { values: [number, string][] }[] } };
    return data.result[0]?.values ?? [];
  }

  async function until(enough: (found: [number, string][]) => boolean): Promise<[number, string][]> {
    for (let left = 150; left > 0; left--) {
      const found = await samples("room_watts[1h]");
      if (enough(found)) return found;
      await pause(100);
    }
    throw new Error("Prometheus has not measured enough in 15 s");
  }

  it.each([
    ["ends as a pod does that is deleted", (part: Part) => part.end()],
    ["is cut off", (part: Part) => part.kill()],
  ])("are all there where Prometheus %s", async (_, stop) => {
    value += 1;
    const first = start();
    const before = await until((found) => found.filter(([, each]) => each === String(value)).length >= 5);
    await stop(first);
    const again = start();
    const after = await until((found) => found.length > before.length);
    await again.end();
    expect(after.slice(0, before.length)).toEqual(before);
  }, 60_000);
});
