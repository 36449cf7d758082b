import { gpu, model } from "../../components/catalog";
import type { Server } from "../../components/environment";
import { capacity } from "../render/capacity";
import { Markdown } from "./markdown";
import type { Side } from "./plan-side";

/** More than this on a sketch is a wall. */
const most = { servers: 24, services: 16 } as const;
const longestLabel = 60;

/** A label that Mermaid can only show: no quotes, brackets, tags, entities or line ends. */
function label(text: string): string {
  return text.replace(/[^A-Za-z0-9 .,:+/()_-]/g, " ").replace(/\s+/g, " ").trim().slice(0, longestLabel) || "?";
}

type Mark = "added" | "removed" | "changed" | "same";

/** How a part of the sketch stands to the other side. */
export interface Marks {
  server(name: string): Mark;
  service(name: string): Mark;
}

function serverLabel(name: string, { gpus }: Server, usableGB: number): string {
  const cards = gpus === undefined ? "" : `, ${gpus.count}x ${gpu(gpus.model)?.name ?? gpus.model}`;
  return label(`${name}${cards}${usableGB === 0 ? "" : `, ${capacity(usableGB)}`}`);
}

const suffix: Readonly<Record<Mark, string>> = { added: ":::added", removed: ":::removed", changed: ":::changed", same: "" };

interface Node {
  id: string;
  line: string;
  rack: string | undefined;
}

function serverNodes({ environment, servers }: Side, marks: Marks, prefix: string): Map<string, Node> {
  const entries = Object.entries(environment.servers);
  const first = entries.length <= most.servers ? entries : entries.sort(([a], [b]) => Number(marks.server(a) === "same") - Number(marks.server(b) === "same"));
  const shown = first.slice(0, most.servers);
  return new Map(shown.map(([name, facts], index) => {
    const usable = servers.get(name)?.tiers.reduce((sum, { usableGB }) => sum + usableGB, 0) ?? 0;
    const id = `${prefix}${index}`;
    return [name, { id, line: `${id}["${serverLabel(name, facts, usable)}"]${suffix[marks.server(name)]}`, rack: facts.rack?.name }];
  }));
}

function inRacks(nodes: Iterable<Node>): string[] {
  const racks = new Map<string | undefined, Node[]>();
  for (const node of nodes) racks.set(node.rack, [...(racks.get(node.rack) ?? []), node]);
  return [...racks].flatMap(([rack, members], index) => {
    const lines = members.map(({ line }) => `    ${line}`);
    return rack === undefined ? lines : [`  subgraph rack${index}["${label(rack)}"]`, ...lines, "  end"];
  });
}

function serviceLines(side: Side, nodes: ReadonlyMap<string, Node>, marks: Marks): string[] {
  return Object.values(side.workloads.services).slice(0, most.services).flatMap(({ name, spec, workloads }, index) => {
    const edges = workloads.flatMap(({ role, servers }) => servers.flatMap((server) => {
      const node = nodes.get(server);
      return node === undefined ? [] : [role === "standby" ? `  v${index} -. standby .-> ${node.id}` : `  v${index} --> ${node.id}`];
    }));
    return [`  v${index}(["${label(`${name}: ${model(spec.model)?.name ?? "own model"}`)}"])${suffix[marks.service(name)]}`, ...new Set(edges)];
  });
}

/** A sketch of a site: racks, servers and which services run where, as a Mermaid flow chart. */
export function sketch(side: Side, removed: { side: Side; servers: ReadonlySet<string> } | undefined, marks: Marks): Markdown[] {
  const nodes = serverNodes(side, marks, "s");
  const gone = removed === undefined ? [] : [...serverNodes(removed.side, { server: (name) => (removed.servers.has(name) ? "removed" : "same"), service: () => "same" }, "r")].filter(([name]) => removed.servers.has(name)).map(([, node]) => node);
  const left = Object.keys(side.environment.servers).length - nodes.size;
  const lines = [
    "flowchart LR",
    ...serviceLines(side, nodes, marks),
    ...inRacks([...nodes.values(), ...gone]),
    ...(left > 0 ? [`  more["and ${left} more servers"]`] : []),
    "  classDef added stroke:#1a7f37,stroke-width:3px",
    "  classDef changed stroke:#9a6700,stroke-width:3px",
    "  classDef removed stroke:#cf222e,stroke-width:3px,stroke-dasharray:6 4",
  ];
  return lines.map((line) => new Markdown(line));
}
