import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { haproxyConfig } from "../../../components/recovery/standby/haproxy";
import { healthCommand, interfaceMark, keepalivedConfig } from "../../../components/recovery/standby/keepalived";
import { balancersOf, bare, shipped } from "./environments";

const script = join(__dirname, "../../../components/servers/scripts/standby-health.sh");
const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rackwright-standby-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plans = () => ({ "sme-production": balancersOf(shipped("sme-production")), "large-cluster": balancersOf(shipped("large-cluster")), bare: balancersOf(bare(3)), "two hosts": balancersOf(bare(2)) });

describe("HAProxy's configuration", () => {
  it.each(Object.entries(plans()))("of %s is accepted by HAProxy without a warning", (name, plan) => {
    const file = join(folder, `${name}.cfg`);
    // Users of the package and its folder are not needed to read a file.
    writeFileSync(file, haproxyConfig(plan).replace(/^ {2}(user|group) .*\n/gm, ""));
    const { status, stdout, stderr } = spawnSync("haproxy", ["-c", "-f", file], { encoding: "utf8", env });
    expect(status, stderr).toBe(0);
    expect(`${stdout}${stderr}`).not.toMatch(/WARNING|ALERT/);
  });

  it("asks every replica, prefers active ones, ends sessions with those that fail, and tries connections again but no request", () => {
    const text = haproxyConfig(plans()["sme-production"]);
    expect(text).toContain("default-server inter 1s fastinter 500ms downinter 1s fall 2 rise 2 tcp-ut 5s on-marked-down shutdown-sessions\n");
    expect(text).toContain("\n  option http-server-close\n");
    expect(text).toContain("\n  option srvtcpka\n  srvtcpka-idle 2s\n  srvtcpka-intvl 1s\n  srvtcpka-cnt 3\n");
    expect(text).toContain("\n  timeout check 1s\n");
    expect(text).toContain("\n  retries 1\n  retry-on conn-failure\n  option redispatch 1\n");
    expect(text).toContain("\n  option httpchk\n  http-check send meth GET uri /health ver HTTP/1.1 hdr Host assistant\n  http-check expect status 200\n");
    expect(text).toMatch(/\n {2}server assistant-gpu-01 10\.20\.0\.11:3\d{4} check weight 1\n {2}server assistant-gpu-02-standby 10\.20\.0\.12:3\d{4} check weight 1 backup\n/);
    expect(text).not.toMatch(/stick|cookie/);
  });

  it("lets clients reach the engine's public paths and nothing else", () => {
    const text = haproxyConfig(plans()["sme-production"]);
    expect(text).toContain("  acl path-assistant path /v1\n  acl path-assistant path_beg /v1/\n");
    expect(text).toContain("  default_backend refused\n");
    expect(haproxyConfig(plans().bare)).toContain("  acl path-answers always_true\n");
  });
});

describe("keepalived's configuration", () => {
  const plan = balancersOf(shipped("sme-production"));
  const texts = plan.balancers.map((own) => keepalivedConfig(plan, own));

  it("starts every balancer as a backup that takes nothing back, with a router id of the address", () => {
    for (const text of texts) expect(text).toMatch(/\n {2}state BACKUP\n {2}nopreempt\n/);
    expect(new Set(texts.map((text) => /virtual_router_id (\d+)/.exec(text)?.[1])).size).toBe(1);
    expect(plan.routerId).toBe(balancersOf(shipped("sme-production", (input) => (input.services = { ...input.services }))).routerId);
    for (let host = 1; host < 255; host++) {
      const { routerId } = balancersOf(bare(3, (input) => Object.assign(input.recovery?.standby ?? {}, { virtualAddress: `192.0.2.${host}` })));
      expect(routerId >= 1 && routerId <= 255).toBe(true);
    }
  });

  it("talks to the other balancers alone, and holds one host's address", () => {
    expect(texts[0]).toContain("  unicast_src_ip 10.20.0.21\n  unicast_peer {\n    10.20.0.11\n  }\n");
    expect(texts[1]).toContain("  unicast_src_ip 10.20.0.11\n  unicast_peer {\n    10.20.0.21\n  }\n");
    expect(texts[0]).toContain(`    10.20.0.50/32 dev ${interfaceMark}\n`);
    expect(texts.map((text) => /priority (\d+)/.exec(text)?.[1])).toEqual(["150", "130"]);
  });
});

describe("keepalived's health check", () => {
  // What is sent there is discarded (RFC 6666).
  const nobody = ["100::1", "100::2"];
  const somebody = "127.0.0.1";

  /** Its exit code, against a server that answers with this status, or never. */
  async function check(status: number | "never" | "nothing listens", witnesses: readonly string[]): Promise<number | null> {
    const server = createServer((_, response) => {
      if (typeof status === "number") response.writeHead(status).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const close = (): Promise<void> => new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
    if (status === "nothing listens") await close();
    const [command = "", ...args] = healthCommand({ witnesses: [...witnesses] }, script).replace(" 8405 ", ` ${port} `).split(" ");
    const code = await new Promise<number | null>((done) => spawn(command, args, { env, stdio: "ignore" }).on("exit", done));
    if (status !== "nothing listens") await close();
    return code;
  }

  it.each<[string, number | "never" | "nothing listens", string[], number]>([
    ["passes where HAProxy says that it works", 200, [], 0],
    ["fails where it says otherwise", 503, [], 1],
    ["fails where nothing listens", "nothing listens", [], 1],
    ["fails where it accepts and says nothing", "never", [], 1],
    ["passes where a witness echoes", 200, [somebody], 0],
    ["passes where one of several echoes", 200, [...nobody, somebody], 0],
    ["fails where none echoes", 200, nobody, 1],
    ["fails without HAProxy, whoever echoes", "nothing listens", [somebody], 1],
  ])("%s", async (_, status, witnesses, code) => {
    expect(await check(status, witnesses)).toBe(code);
  });
});
