import type { Environment, Server } from "../components/environment/schema";
import { gpu } from "../components/catalog";
import { textfileFolder } from "../components/monitoring/names";
import { expectedTiers, expectedVersions, type TierExpectation } from "./expectations";
import { Observer } from "./observe";
import { tryRun } from "./process";
import type { RemoteShell } from "./ssh";
import { must } from "./verdict";

/** What is looked at on one running server. Every function tells what was seen, or throws a Mismatch. */
export class HostChecks {
  readonly tiers: readonly TierExpectation[];
  private readonly observer: Observer;
  private readonly written = new Map<string, string>();

  constructor(
    private readonly environment: Environment,
    private readonly server: Server,
    private readonly ssh: RemoteShell,
  ) {
    this.tiers = expectedTiers(server);
    this.observer = new Observer(ssh);
  }

  /** Waits until no array is building or rebuilding. */
  async settle(): Promise<void> {
    // mdadm ends with 1 where there was nothing to wait for.
    await this.ssh.run('for array in /sys/block/md*; do [ ! -e "$array/md" ] || mdadm --wait "/dev/${array##*/}" || true; done');
  }

  /** Level, members and chunk of every array, by mdadm itself. */
  async arrays(): Promise<string> {
    const seen: string[] = [];
    for (const tier of this.tiers) {
      const source = await this.sourceOf(tier);
      const members = (await Promise.all(tier.drives.map((id) => this.observer.kernelName(id)))).map((name, index) => {
        must(name !== undefined, `${tier.tier}: the drive ${tier.drives[index] ?? ""} is not there`);
        return name;
      });
      if (tier.level === "single") {
        must(source === `/dev/${members[0] ?? ""}`, `${tier.tier}: ${source} is mounted, wanted is the drive /dev/${members[0] ?? ""}`);
        seen.push(`${tier.tier} is the drive itself`);
        continue;
      }
      const array = await this.observer.array(source);
      must(array !== undefined, `${tier.tier}: ${source} is no MD array`);
      must(array.level === tier.level, `${tier.tier}: level ${array.level}, wanted is ${tier.level}`);
      must(array.raidDevices === members.length, `${tier.tier}: made for ${array.raidDevices} drives, wanted are ${members.length}`);
      must(array.members.join() === [...members].sort().join(), `${tier.tier}: active members ${array.members.join(", ")}; wanted are ${members.join(", ")}`);
      must(tier.level === "raid1" || array.chunkKiB === tier.chunkKiB, `${tier.tier}: chunk ${array.chunkKiB ?? "unknown"} KiB, wanted is ${tier.chunkKiB}`);
      must(!array.degraded, `${tier.tier}: the array is degraded`);
      seen.push(`${tier.tier} ${tier.level} of ${members.join(", ")}`);
    }
    return seen.join("; ");
  }

  async geometry(): Promise<string> {
    const seen: string[] = [];
    for (const tier of this.tiers) {
      const xfs = await this.observer.xfs(tier.mount);
      must(xfs !== undefined, `${tier.tier}: xfs_info cannot read ${tier.mount}`);
      must(
        xfs.stripeUnitKiB === tier.stripeUnitKiB && xfs.stripeWidthKiB === tier.stripeWidthKiB,
        `${tier.tier}: stripe unit ${xfs.stripeUnitKiB} KiB and width ${xfs.stripeWidthKiB} KiB, wanted are ${tier.stripeUnitKiB} and ${tier.stripeWidthKiB}`,
      );
      seen.push(`${tier.tier} ${xfs.stripeUnitKiB}/${xfs.stripeWidthKiB} KiB`);
    }
    return `stripe unit/width: ${seen.join(", ")}`;
  }

  async mounts(): Promise<string> {
    const seen: string[] = [];
    for (const tier of this.tiers) {
      const mounted = await this.observer.mounted(tier.mount);
      must(mounted !== undefined, `nothing is mounted on ${tier.mount}`);
      must(mounted.type === "xfs", `${tier.mount} is ${mounted.type}, wanted is xfs`);
      must(mounted.options.split(",").includes("noatime"), `${tier.mount} is mounted with ${mounted.options}, without noatime`);
      const line = await this.observer.fstabLine(tier.mount);
      must(line !== undefined, `/etc/fstab has no entry for ${tier.mount}`);
      const [source, , , options = ""] = line.split(/\s+/);
      must(source === `UUID=${mounted.uuid}`, `/etc/fstab mounts ${source ?? ""} on ${tier.mount}; what is mounted has UUID=${mounted.uuid}`);
      // Without it a server whose drive died would stop in the middle of its boot.
      must(options.split(",").includes("nofail"), `/etc/fstab mounts ${tier.mount} with ${options}, without nofail`);
      seen.push(`${tier.mount} UUID=${mounted.uuid.slice(0, 8)}…`);
    }
    return seen.join(", ");
  }

  /** Versions of NVIDIA's packages, that they are held, and that no upgrade moves them although the mirror has newer ones. */
  async pins(planned: readonly { name: string; hold: boolean }[]): Promise<string> {
    const installed = await this.observer.packages();
    const names = new Set(installed.map((entry) => entry.name));
    const absent = planned.filter((entry) => !names.has(entry.name)).map((entry) => entry.name);
    must(absent.length === 0, `not installed: ${absent.join(", ")}`);
    const held = new Set(await this.observer.held());
    const notHeld = planned.filter((entry) => entry.hold && !held.has(entry.name)).map((entry) => entry.name);
    must(notHeld.length === 0, `not held: ${notHeld.join(", ")}`);
    const expectations = expectedVersions(this.environment.software);
    const seen: string[] = [];
    for (const { family, names: pattern, version } of expectations) {
      const found = installed.filter((entry) => pattern.test(entry.name) && expectations.find((other) => other.names.test(entry.name))?.family === family);
      const wrong = found.filter((entry) => entry.version.replace(/^\d+:/, "").split("-")[0] !== version);
      must(wrong.length === 0, `${family}: wanted is ${version}, found ${wrong.map((entry) => `${entry.name} ${entry.version}`).join(", ")}`);
      if (found.length > 0) seen.push(`${family} ${version} (${found.length} packages)`);
    }
    const upgrades = (await this.observer.upgrades()).filter((name) => expectations.some((expectation) => expectation.names.test(name)));
    must(upgrades.length === 0, `an upgrade would move ${upgrades.join(", ")}`);
    return `${seen.join(", ")}; ${held.size} held; a full upgrade moves none`;
  }

  /** What nvidia-smi answers, the services beside it, nouveau, and the CUDA paths of logins and services. */
  async gpuHost(): Promise<string> {
    const { gpus } = this.server;
    if (gpus === undefined) return "no GPU in this server";
    const { driver, cudaToolkit } = this.environment.software;
    const answer = await this.ssh.run("nvidia-smi --query-gpu=name,driver_version --format=csv,noheader");
    const lines = answer.trim().split("\n");
    const version = expectedVersions(this.environment.software).find((entry) => entry.family.startsWith("driver"))?.version ?? "";
    const wanted = `${gpu(gpus.model)?.name ?? gpus.model}, ${version}`;
    must(lines.length === gpus.count && lines.every((line) => line === wanted), `nvidia-smi answers ${JSON.stringify(lines)}, wanted is ${gpus.count} times ${JSON.stringify(wanted)}`);
    const services = [...(driver.persistenceDaemon ? ["nvidia-persistenced"] : []), ...(gpus.nvlink === "nvswitch" ? ["nvidia-fabricmanager"] : [])];
    for (const service of services) {
      const { stdout } = await this.ssh.try(`systemctl is-active ${service}`);
      must(stdout.trim() === "active", `${service} is ${stdout.trim()}`);
    }
    if (gpus.nvlink !== "nvswitch") must((await this.ssh.try("systemctl is-active nvidia-fabricmanager")).code !== 0, "the fabric manager runs on a server without NVSwitch");
    must(/^blacklist nouveau$/m.test(await this.ssh.run("modprobe --showconfig")), "nouveau is not blacklisted");
    if (cudaToolkit !== "none") {
      const login = await this.ssh.try("bash -lc 'command -v nvcc'");
      must(login.code === 0, "a login shell does not find nvcc");
      const service = await this.ssh.try("systemd-run --quiet --pipe --wait sh -c 'command -v nvcc'");
      must(service.code === 0, "a service does not find nvcc");
    }
    return `${gpus.count} x ${wanted}; ${services.length === 0 ? "no service wanted" : `${services.join(", ")} active`}`;
  }

  get isMonitored(): boolean {
    return this.environment.monitoring.enabled;
  }

  /** That its timers run, and what they leave for node_exporter when they run now: all arrays whole, all tiers mounted, every drive heard. */
  async measurements(): Promise<string> {
    for (const kind of ["state", "health"]) {
      const { stdout } = await this.ssh.try(`systemctl is-active rackwright-metrics-${kind}.timer`);
      must(stdout.trim() === "active", `rackwright-metrics-${kind}.timer is ${stdout.trim()}`);
      await this.ssh.run(`systemctl start rackwright-metrics-${kind}.service`);
    }
    const text = await this.ssh.run(`cat ${textfileFolder}/*.prom`);
    const { code, stderr } = await tryRun("promtool", ["check", "metrics"], { input: text });
    must(code === 0, `promtool finds fault with the metrics: ${stderr.trim()}`);
    const samples = new Map(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
    for (const { tier, level, drives, mount } of this.tiers) {
      must(samples.get(`rackwright_tier_mounted{tier="${tier}",mountpoint="${mount}"}`) === "1", `${tier}: the metrics do not say that ${mount} is mounted`);
      if (level === "single") continue;
      const of = (metric: string, more = ""): string | undefined => [...samples].find(([name]) => name.startsWith(`${metric}{tier="${tier}",`) && name.endsWith(`${more}}`))?.[1];
      must(of("rackwright_array_state", ',state="ok"') === "1", `${tier}: the metrics do not say that the array is ok: ${[...samples.keys()].filter((name) => name.startsWith("rackwright_array_state") && samples.get(name) === "1").join(", ")}`);
      must(of("rackwright_array_members_working") === String(drives.length), `${tier}: ${of("rackwright_array_members_working") ?? "no"} members work by the metrics, ${drives.length} are wanted`);
    }
    const unheard = Object.keys(this.server.drives).filter((id) => ![...samples.keys()].some((name) => name.startsWith(`rackwright_drive_healthy{drive="${id}"`)));
    must(unheard.length === 0, `nothing is measured of ${unheard.join(", ")}`);
    return `${samples.size} series: ${this.tiers.length} tiers ok, ${Object.keys(this.server.drives).length} drives`;
  }

  /** Writes a file into every tier and remembers its sum. */
  async writeData(): Promise<void> {
    for (const { mount } of this.tiers) {
      const sum = await this.ssh.run(`dd if=/dev/urandom of=${mount}/rehearsal.bin bs=1M count=4 status=none && sync && sha256sum <${mount}/rehearsal.bin`);
      this.written.set(mount, sum);
    }
  }

  /** Whether the files are there and the same. */
  async data(): Promise<string> {
    for (const [mount, sum] of this.written) {
      const { code, stdout } = await this.ssh.try(`sha256sum <${mount}/rehearsal.bin`);
      must(code === 0 && stdout === sum, `${mount}/rehearsal.bin is gone or changed`);
    }
    return `${this.written.size} files of 4 MiB unchanged`;
  }

  /** Takes every array apart and puts it together again by hand, by nothing but its drives' ids. */
  async assembleByHand(): Promise<string> {
    for (const tier of this.tiers) {
      const source = await this.sourceOf(tier);
      const members = tier.drives.map((id) => `/dev/disk/by-id/${id}`).join(" ");
      const array = "/dev/md/by-hand";
      const again = tier.level === "single" ? "" : `mdadm --quiet --stop ${source} && mdadm --quiet --assemble ${array} ${members} && `;
      await this.ssh.run(`umount ${tier.mount} && ${again}mount ${tier.level === "single" ? source : array} ${tier.mount}`);
      must((await this.data()).length > 0, "no data");
      await this.ssh.run(`umount ${tier.mount}${tier.level === "single" ? "" : ` && mdadm --quiet --stop ${array}`}`);
      this.written.delete(tier.mount);
    }
    return `${this.tiers.length} tiers assembled and mounted by hand, their data unchanged`;
  }

  private async sourceOf(tier: TierExpectation): Promise<string> {
    const mounted = await this.observer.mounted(tier.mount);
    must(mounted !== undefined, `${tier.tier}: nothing is mounted on ${tier.mount}`);
    return mounted.source;
  }
}
