import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeExporterFlags } from "../../components/monitoring/exporters/node-exporter";
import { Part } from "../control-plane/part";
import { exposition, type Sample } from "./exposition";

/** Collectors that say of this machine what no alert of the site is about. All else is the emulated server's, from textfiles. */
const realCollectors = ["textfile", "time", "loadavg", "cpu", "stat"] as const;
const realMetrics: ReadonlySet<string> = new Set(["node_textfile_mtime_seconds", "node_time_seconds", "node_load1", "node_cpu_seconds_total", "node_boot_time_seconds"]);
const writeEveryMilliseconds = 500;

/** A real node_exporter, which reads what an emulated server says from textfiles, as it reads those of our scripts. */
export class NodeExporter {
  private part: Part;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly port: number,
    private readonly folder: string,
    samples: () => readonly Sample[],
  ) {
    mkdirSync(this.textfiles, { recursive: true });
    const write = (): void => {
      const all = samples().filter(([name]) => !realMetrics.has(name));
      const ours = ([name]: Sample): boolean => name.startsWith("rackwright_");
      const balancers = ([name]: Sample): boolean => name.startsWith("rackwright_balancer_");
      this.publish("rackwright-state", all.filter((sample) => ours(sample) && !balancers(sample)));
      if (all.some(balancers)) this.publish("rackwright-standby", all.filter(balancers));
      this.publish("server", all.filter((sample) => !ours(sample)));
    };
    write();
    this.timer = setInterval(write, writeEveryMilliseconds);
    this.part = this.start();
  }

  private get textfiles(): string {
    return join(this.folder, "textfiles");
  }

  private start(): Part {
    const flags = nodeExporterFlags.filter((flag) => !flag.startsWith("--collector.textfile.directory=") && flag !== "--collector.buddyinfo");
    return new Part("node-exporter", "prometheus-node-exporter", ["--collector.disable-defaults", ...realCollectors.map((name) => `--collector.${name}`), ...flags, `--collector.textfile.directory=${this.textfiles}`, `--web.listen-address=127.0.0.1:${this.port}`], this.folder);
  }

  /** As our scripts do it: node_exporter never sees half of a file. */
  private publish(name: string, samples: readonly Sample[]): void {
    const fresh = join(this.textfiles, `.${name}`);
    writeFileSync(fresh, exposition(samples));
    renameSync(fresh, join(this.textfiles, `${name}.prom`));
  }

  /** The process itself ends: its port refuses connections. */
  async crash(): Promise<void> {
    await this.part.kill();
  }

  comeBack(): void {
    if (this.part.ended) this.part = this.start();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.part.kill();
  }
}
