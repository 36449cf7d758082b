import { writeFileSync } from "node:fs";
import { planCost, type CostOptions, type CostPlan, type Range } from "../../components/cost";
import { CliError, exitCodes } from "../exit";
import type { ExitCode } from "../exit";
import { loadEnvironment } from "../project";
import { renderCost } from "../render/cost";
import { costSvg } from "../render/cost-svg";
import type { Terminal } from "../terminal";

/** What the command line says, as text. */
export interface CostCommandOptions {
  years?: string;
  utilization?: string;
  currencyPerUsd?: string;
  people?: string;
  cloudPrice?: string;
  colocation?: boolean;
  plot?: string;
  json?: boolean;
}

const mostYears = 15;

function bad(message: string): CliError {
  return new CliError(message, exitCodes.badInput);
}

function within(flag: string, text: string, { least, most, unit }: { least: number; most: number; unit: string }): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= least && value <= most)) throw bad(`--${flag} must be ${unit} from ${least} to ${most}, got ${JSON.stringify(text)}`);
  return value;
}

/** `1.2` or `1.2-1.9`. */
function rangeOf(flag: string, text: string, least: "0" | "above 0"): Range {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:-\s*(\d+(?:\.\d+)?))?\s*$/.exec(text);
  const low = Number(match?.[1]);
  const high = match?.[2] === undefined ? low : Number(match[2]);
  if (match === null || high < low || (least === "above 0" && low === 0)) throw bad(`--${flag} must be an amount in US dollars, or two with a hyphen between, the lower first, ${least === "0" ? "from 0" : "above 0"}: 1.20 or 1.20-1.90, got ${JSON.stringify(text)}`);
  return { low, high };
}

function rateOf(text: string, currency: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) throw bad(`--currency-per-usd must be the amount of ${currency} for one US dollar, above 0, got ${JSON.stringify(text)}`);
  if (currency === "USD" && value !== 1) throw bad("--currency-per-usd: the site's currency is the US dollar (site.currency), so that there is nothing to convert");
  return value;
}

function readOptions(options: CostCommandOptions, currency: string): CostOptions {
  return {
    ...(options.years === undefined ? {} : { years: within("years", options.years, { least: 1, most: mostYears, unit: "years" }) }),
    ...(options.utilization === undefined ? {} : { utilization: within("utilization", options.utilization, { least: 1, most: 100, unit: "a percentage" }) / 100 }),
    ...(options.currencyPerUsd === undefined ? {} : { currencyPerUsd: rateOf(options.currencyPerUsd, currency) }),
    ...(options.people === undefined ? {} : { peopleUsdPerYear: rangeOf("people", options.people, "0") }),
    ...(options.cloudPrice === undefined ? {} : { cloudUsdPerGpuHour: rangeOf("cloud-price", options.cloudPrice, "above 0") }),
    ...(options.colocation === undefined ? {} : { colocation: options.colocation }),
  };
}

function writePlot(file: string, name: string, plan: CostPlan): void {
  if (plan.gpuCount === 0) throw bad(`--plot: ${name} has no GPUs, so that there is no cost of a GPU-hour to draw`);
  try {
    writeFileSync(file, costSvg(name, plan));
  } catch (error) {
    throw bad(`--plot: ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
}

/** `rackwright cost`: 0 all parts have a price, 1 some have none, 2 bad input. */
export function cost(terminal: Terminal, name: string, options: CostCommandOptions): Promise<ExitCode> {
  const { environment } = loadEnvironment(name);
  const plan = planCost(environment, readOptions(options, environment.site.currency));
  if (options.plot !== undefined) writePlot(options.plot, name, plan);
  terminal.out(options.json === true ? `${JSON.stringify({ environment: name, ...plan }, null, 2)}\n` : renderCost(name, plan, terminal.style));
  return Promise.resolve(plan.missing.length === 0 ? exitCodes.well : exitCodes.finding);
}
