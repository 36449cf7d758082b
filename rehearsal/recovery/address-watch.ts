import { readFileSync } from "node:fs";
import type { HolderSample } from "./measure";

/** How often it is looked who holds the address. */
export const sampleMilliseconds = 50;

/** Whether a process's network namespace has an IPv4 address, as its own kernel tells. */
export function hasAddress(pid: number, address: string): boolean {
  return new RegExp(`\\|-- ${address.replaceAll(".", "\\.")}\\n\\s+/32 host LOCAL`).test(readFileSync(`/proc/${pid}/net/fib_trie`, "utf8"));
}

/** Looks who holds the virtual address, without a process for each look. */
export class AddressWatch {
  readonly samples: HolderSample[] = [];
  private readonly timer: NodeJS.Timeout;

  /** @param hosts processes in the namespaces of those that live at this moment, by name. */
  constructor(address: string, hosts: () => ReadonlyMap<string, number>) {
    this.timer = setInterval(() => {
      const look = (): string[] => [...hosts()].filter(([, pid]) => hasAddress(pid, address)).map(([name]) => name);
      const first = look();
      // While the kernel rearranges its table, a reader may miss what is in it.
      const holders = first.length > 0 ? first : look();
      this.samples.push({ at: Date.now(), holders });
    }, sampleMilliseconds);
  }

  /** As of the last look. */
  get holders(): readonly string[] {
    return this.samples.at(-1)?.holders ?? [];
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
