import type { z } from "zod";
import type { Checkable } from "./checks/checkable";
import { crossCheck } from "./cross-checks";
import { findingsOfIssues } from "./issues";
import { toPlain } from "./plain";
import { toProblem, type Finding, type Problem } from "./problems";
import { environmentSchema, type Environment } from "./schema";

export type ParsedEnvironment = { ok: true; environment: Environment } | { ok: false; problems: Problem[] };

const sections = environmentSchema.shape;
const defaultSshPort = 22;

type EntryOf<T> = T extends Record<string, infer V> ? V : never;

/** The entries of a mapping that are well formed by themselves. */
function wellFormedEntries<T>(schema: z.ZodType<T>, section: unknown): { entries: Record<string, EntryOf<T>>; names: string[] } {
  const entries: Record<string, EntryOf<T>> = {};
  if (typeof section !== "object" || section === null || Array.isArray(section)) return { entries, names: [] };
  for (const [name, entry] of Object.entries(section as Record<string, unknown>)) {
    const parsed = schema.safeParse({ [name]: entry });
    if (parsed.success) Object.assign(entries, parsed.data);
  }
  return { entries, names: Object.keys(section) };
}

/** What cross-checks can still look at in an environment that is faulty elsewhere. */
function salvage(input: unknown): { environment: Checkable; sshPort: number } {
  const raw = (typeof input === "object" && input !== null ? input : {}) as Readonly<Record<string, unknown>>;
  const part = <T>(schema: z.ZodType<T>, name: string): T | undefined => schema.safeParse(raw[name]).data;
  const servers = wellFormedEntries(sections.servers, raw.servers);
  return {
    environment: {
      site: part(sections.site, "site"),
      software: part(sections.software, "software"),
      cluster: part(sections.cluster, "cluster"),
      recovery: part(sections.recovery, "recovery"),
      servers: servers.entries,
      services: wellFormedEntries(sections.services, raw.services).entries,
      training: wellFormedEntries(sections.training, raw.training).entries,
      serverNames: servers.names,
      allServersKnown: servers.names.length === Object.keys(servers.entries).length,
    },
    sshPort: part(sections.ssh, "ssh")?.port ?? defaultSshPort,
  };
}

/** As {@link parseEnvironment}, with places as keys. */
export function inspectEnvironment(input: unknown): { environment?: Environment; findings: Finding[] } {
  const plain = toPlain(input);
  const parsed = environmentSchema.safeParse(plain.value);
  if (parsed.success) {
    const environment = parsed.data;
    const findings = [...plain.findings, ...crossCheck({ ...environment, serverNames: Object.keys(environment.servers), allServersKnown: true }, environment.ssh.port)];
    return findings.length === 0 ? { environment, findings } : { findings };
  }
  const salvaged = salvage(plain.value);
  return {
    findings: [...plain.findings, ...findingsOfIssues(parsed.error.issues, environmentSchema, plain.value), ...crossCheck(salvaged.environment, salvaged.sshPort)],
  };
}

/**
 * Reads an environment strictly: fills in defaults, or lists every problem at once. Never throws, whatever the input.
 * @param input The value of `rackwright:environment`, already parsed from YAML or JSON.
 */
export function parseEnvironment(input: unknown): ParsedEnvironment {
  const { environment, findings } = inspectEnvironment(input);
  return environment === undefined ? { ok: false, problems: findings.map(toProblem) } : { ok: true, environment };
}
