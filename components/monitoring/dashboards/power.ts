import { boardUids, layOut, type BoardInput } from "./board";
import { hasTokens, type Facts } from "./facts";
import { graph, table, tile, units, words } from "./panels";
import { window } from "./queries";
import type { DashboardModel, PanelBuilder } from "./sdk";

const width = 8;

/** What is drawn, by whom, at what cost, and what caps it. */
export function powerBoard(input: BoardInput, facts: Facts): DashboardModel {
  return layOut({
    uid: boardUids.power,
    title: "Power and PUE",
    description: "Draw of GPUs, servers, services and the site; energy of a thousand tokens; power usage effectiveness; caps.",
    rows: [
      { title: "Site", panels: site(input, facts) },
      { title: "Servers", panels: servers(input, facts) },
      { title: "GPUs", panels: facts.hasGpus ? gpus(input) : [] },
      { title: "Services", panels: facts.hasGpus && facts.hasCluster && Object.keys(input.workloads.services).length > 0 ? services(facts) : [] },
    ],
  });
}

function site({ environment }: BoardInput, { hasGpus }: Facts): PanelBuilder[] {
  const { power, currency } = environment.site;
  const measured = environment.monitoring.meter !== undefined;
  const room = measured ? "rackwright:site_power:watts * rackwright:site_pue:ratio" : `rackwright:site_power:watts * ${power.pue}`;
  const basis = measured ? "The site's meter." : `Reckoned: the servers' draw times the planned PUE of ${power.pue}, for the environment names no meter.`;
  return [
    graph({
      title: "Draw", unit: units.watts, min: 0, width, ...(power.limitWatts === undefined ? {} : { limit: { value: power.limitWatts, wrong: "above" } as const, alert: "SitePowerHigh" }),
      description: `Servers alone, and the whole site with cooling. ${basis}${power.limitWatts === undefined ? "" : ` The line is what the room can feed and cool: ${power.limitWatts} W.`}`,
      queries: [{ expr: "rackwright:site_power:watts", legend: "servers" }, { expr: room, legend: measured ? "site" : "site, reckoned" }],
    }),
    measured
      ? graph({ title: "PUE", description: `The site's meter over the servers' draw (guide 7): 1 would be no cooling and no loss. The line is what the environment plans, ${power.pue}. Servers without a power meter of their own are counted too low, which makes it look too high.`, unit: units.factor, min: 1, decimals: 2, alert: "PueHigh", limit: { value: power.pue, wrong: "above" }, queries: [{ expr: "rackwright:site_pue:ratio", legend: "PUE" }], width })
      : words({ title: "PUE", content: `Not measured: \`monitoring.meter\` names no electricity meter of the site. Planned: **${power.pue}**.`, width }),
    ...(hasGpus ? [tile({ title: "Energy of GPUs in a day", description: "What all GPUs used in the last 24 hours, from their own counters.", unit: units.kilowattHours, min: 0, decimals: 0, width: power.pricePerKWh === undefined ? width : 4, height: 8, query: { expr: "sum(increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[24h])) / 3.6e9", legend: "energy" } })] : []),
    ...(power.pricePerKWh === undefined ? [] : [tile({ title: "Cost", description: `Of the whole site at ${power.pricePerKWh} ${currency} a kilowatt-hour. ${basis}`, unit: `suffix: ${currency}/h`, min: 0, decimals: 2, width: hasGpus ? 4 : width, height: 8, query: { expr: `${room} / 1000 * ${power.pricePerKWh}`, legend: "cost" } })]),
  ];
}

function servers({ environment }: BoardInput, facts: Facts): PanelBuilder[] {
  const limits = Object.values(environment.site.racks).flatMap(({ powerLimitWatts }) => (powerLimitWatts === undefined ? [] : [powerLimitWatts]));
  const [limit] = limits;
  const alike = limit !== undefined && limits.length === Object.keys(environment.site.racks).length && limits.every((one) => one === limit);
  const inRacks = Object.values(environment.servers).some(({ rack }) => rack !== undefined);
  return [
    graph({ title: "Servers", description: "By what it rests on: power-meter is the server's own, with fans, drives and losses; gpus-and-cpus is the sum of what these say, and too low.", unit: units.watts, min: 0, ...facts.watchedBy("ServerPowerHigh"), queries: [{ expr: "rackwright:server_power:watts", legend: "{{server}} ({{basis}})" }], width }),
    ...(inRacks ? [graph({
      title: "Racks", unit: units.watts, min: 0, width, ...facts.watchedBy("RackPowerHigh"), ...(alike ? { limit: { value: limit, wrong: "above" } as const } : {}),
      description: `Servers of each rack together.${alike ? ` The line is what a rack can feed: ${limit} W.` : ""}`,
      queries: [{ expr: 'sum by (rack) (max by (server) (rackwright:server_power:watts) * on (server) group_left (rack) rackwright:server:info{rack!=""})', legend: "{{rack}}" }],
    })] : []),
    graph({ title: "Processors and memory", description: "What the processors say they and their memory draw (RAPL).", unit: units.watts, min: 0, queries: [
      { expr: `sum by (server) (rate(node_rapl_package_joules_total[${window}]))`, legend: "{{server}} processors" },
      { expr: `sum by (server) (rate(node_rapl_dram_joules_total[${window}]))`, legend: "{{server}} memory" },
    ], width }),
  ];
}

function gpus({ environment }: BoardInput): PanelBuilder[] {
  const caps = Object.entries(environment.servers).flatMap(([name, { gpus: cards }]) => (cards?.powerLimitWatts === undefined ? [] : [`${name} ${cards.powerLimitWatts} W`]));
  return [
    graph({ title: "GPUs", description: "Each server's GPUs, one on top of the other.", unit: units.watts, min: 0, stacked: true, queries: [{ expr: "sum by (server) (rackwright:gpu_power:watts)", legend: "{{server}}" }], width }),
    table({
      title: "Caps", width: 16,
      description: `The cap that each GPU has now, what it draws, and for what share of five minutes the cap slowed it down. ${caps.length === 0 ? "The environment sets no caps: these are the cards' own." : `The environment sets: ${caps.join(", ")}.`}`,
      keys: { server: "Server", gpu: "GPU" },
      columns: [
        { header: "Cap", expr: "max by (server, gpu) (DCGM_FI_DEV_POWER_MGMT_LIMIT)", unit: units.watts, decimals: 0 },
        { header: "Draw", expr: "max by (server, gpu) (DCGM_FI_DEV_POWER_USAGE)", unit: units.watts, decimals: 0 },
        { header: "Slowed down", expr: `max by (server, gpu) (rate(DCGM_FI_DEV_POWER_VIOLATION[${window}])) / 1e9`, unit: units.ratio, decimals: 0 },
      ],
      links: { server: { board: boardUids.gpu, variable: "server" } },
    }),
  ];
}

function services(facts: Facts): PanelBuilder[] {
  return [
    graph({ title: "Services", description: "GPUs that each service or training job holds, standbys included; the rest of the server is not counted.", unit: units.watts, min: 0, queries: [{ expr: "rackwright:service_power:watts", legend: "{{service}}" }], width: 12 }),
    ...(hasTokens(facts) ? [graph({ title: "Energy of 1,000 tokens", description: "Draw of a service's GPUs over the tokens that it generates. It rises when there is little to do, for an idle GPU draws as well.", unit: units.joules, min: 0, queries: [{ expr: "rackwright:service_energy:joules_per_kilotoken", legend: "{{service}}" }], width: 12 })] : []),
  ];
}
