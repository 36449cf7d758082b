import { hoursPerYear, residualShareAt36Months } from "./facts";
import { add, product, times, type Range } from "./range";

/** What owning depends on. One currency throughout. */
export interface OwnInput {
  years: number;
  /** Purchase of all servers. */
  servers: Range;
  /** Of that purchase. */
  networkShare: Range;
  /** Of that purchase, each year. */
  maintenanceSharePerYear: Range;
  /** Of that purchase, at the end. */
  residualShare: Range;
  peoplePerYear: Range;
  /** What power and cooling cost in a year: {@link electricityPerYear}, or a rented room. */
  powerPerYear: Range;
}

/** What owning costs over the years. In each case the parts add up to the total. */
export interface OwnCost {
  servers: Range;
  network: Range;
  power: Range;
  people: Range;
  maintenance: Range;
  /** What the servers still fetch, taken off: negative. Of the cheap case's purchase the larger share comes back, so that this one alone need not be ordered. */
  residual: Range;
  total: Range;
}

/** Electricity of a year, the servers always on. PUE: the room's draw over the servers'. */
export function electricityPerYear(averageKilowatts: Range, pue: number, pricePerKWh: Range): Range {
  return times(product(averageKilowatts, pricePerKWh), pue * hoursPerYear);
}

/** What is left of a purchase after some years, when each year takes the same share of what is left. */
export function residualShareAfter(years: number): Range {
  return { low: residualShareAt36Months.low ** (years / 3), high: residualShareAt36Months.high ** (years / 3) };
}

/** Total cost of ownership. Pure arithmetic: every figure is the caller's. */
export function ownCost({ years, servers, networkShare, maintenanceSharePerYear, residualShare, peoplePerYear, powerPerYear }: OwnInput): OwnCost {
  const network = product(servers, networkShare);
  const power = times(powerPerYear, years);
  const people = times(peoplePerYear, years);
  const maintenance = times(product(servers, maintenanceSharePerYear), years);
  const residual = { low: -servers.low * residualShare.high, high: -servers.high * residualShare.low };
  return { servers, network, power, people, maintenance, residual, total: add(servers, network, power, people, maintenance, residual) };
}

/** Cost of one GPU for one hour of use. `utilization` is the share of all hours in which the GPUs work, above 0. */
export function perGpuHour(total: Range, gpus: number, years: number, utilization: number): Range {
  return times(total, 1 / (gpus * hoursPerYear * years * utilization));
}
