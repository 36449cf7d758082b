import { html, type Html } from "../render/html";
import { barChart, timeline } from "./charts";
import type { AlertsData } from "./data/alerts";
import type { CostData } from "./data/cost";
import type { NetworkData } from "./data/network";
import type { RacksData } from "./data/racks";
import type { Budget, RecoveryData } from "./data/recovery";
import type { KeyFigure, ReportData } from "./data/report-data";
import type { RulesData } from "./data/rules";
import type { ServicesData } from "./data/services";
import type { StorageData } from "./data/storage";
import { costCurve, elevation, networks } from "./pictures";
import { figure, mark, section, table, type Section, type Sources } from "./section";
import { names } from "./words";

type ListKind = "plain" | "problems" | "cautions";
const list = (items: readonly string[], kind: ListKind = "plain"): Html => (items.length === 0 ? html`` : html`<ul class="${kind}">${items.map((item) => html`<li>${item}</li>`)}</ul>`);

function keyFigure({ name, figure: shown, about }: KeyFigure, sources: Sources): Html {
  return html`<div><dt>${name}</dt><dd><span class="large">${figure(shown, sources)}</span><span class="quiet">${about}</span></dd></div>`;
}

function overview({ keyFigures, problems }: ReportData): Section {
  return section("overview", "At a glance", (sources) => html`${list(problems, "problems")}<dl class="tiles">${keyFigures.map((each) => keyFigure(each, sources))}</dl>`);
}

function racks({ racks: drawn, unracked, draw, power, servers }: RacksData): Section {
  const standing = unracked.length === 0 ? undefined : html`<p>Where ${names(unracked)} ${unracked.length === 1 ? "stands" : "stand"} is not in the environment.</p>`;
  const limits = power.bars.length === 0 ? html`<p>The environment states no limit of the room, of a rack or of a server's supplies.</p>` : barChart(power);
  return section("racks", "Racks and power", (sources) => html`<p>All servers together can draw ${figure(draw, sources)}.</p>${standing}<div class="beside">${drawn.length === 0 ? undefined : html`<div class="racks">${drawn.map(elevation)}</div>`}<div>${limits}</div></div>${table(servers, sources)}`);
}

function services({ memory, sizes, speeds, training, targets, reasons }: ServicesData): Section {
  const nothing = memory.bars.length === 0 && training.rows.length === 0 ? html`<p>No service and no training job is placed.</p>` : undefined;
  const why = reasons.filter((each) => each.reasons.length > 0).map((each) => html`<h4>${each.service}</h4>${list(each.reasons)}`);
  return section("services", "Services and GPU memory", (sources) => html`${nothing}${memory.bars.length === 0 ? undefined : html`<p>Of the fullest GPU of each replica, in GiB. What the margin holds goes to the cache as well; what is left to others belongs to the driver and other programs.</p>`}${barChart(memory)}${table(sizes, sources)}${table(speeds, sources)}${table(training, sources)}${table(targets, sources)}${why.length === 0 ? undefined : html`<h3>Why so</h3>${why}`}`);
}

function storage({ capacity, tiers, besides }: StorageData): Section {
  return section("storage", "Storage", (sources) => html`${tiers.rows.length === 0 ? html`<p>No server has a storage tier.</p>` : undefined}${barChart(capacity)}${table(tiers, sources)}${besides.length === 0 ? undefined : html`<dl class="pairs">${besides.map(({ what, text, source }) => html`<div><dt>${what}</dt><dd>${figure({ text, source }, sources)}</dd></div>`)}</dl>`}`);
}

function network({ picture, interfaces, addresses, site }: NetworkData): Section {
  return section("network", "Network", (sources) => html`${networks(picture)}${table(interfaces, sources)}${table(addresses, sources)}${table(site, sources)}`);
}

function budget({ title, about, timeline: drawn, figures }: Budget, sources: Sources): Html {
  return html`<div class="budget"><h3>${title}</h3><p>${about}</p>${drawn === undefined ? undefined : timeline(drawn)}<dl class="pairs">${figures.map(({ name, figure: shown }) => html`<div><dt>${name}</dt><dd>${figure(shown, sources)}</dd></div>`)}</dl></div>`;
}

function recovery({ standby, standbyParts, services: watched, checkpoints, backup, coldStart }: RecoveryData): Section {
  return section("recovery", "Recovery budgets", (sources) => html`${budget(standby, sources)}${table(standbyParts, sources)}${table(watched, sources)}${[checkpoints, backup, coldStart].map((each) => budget(each, sources))}`);
}

function alerts({ where, receivers, count, groups }: AlertsData): Section {
  const told = receivers.length === 0 ? "Nobody is told of them: name somebody in monitoring.receivers." : `They reach ${receivers.join(", ")}.`;
  return section("alerts", "Alerts", (sources) => (where === undefined ? html`<p>Monitoring is off, or something cannot be placed: there is no alert.</p>` : html`<p>${where}. ${told}</p><p>Critical is for now, at night too; warning for the working day; info for the record.</p>${barChart(count)}${groups.map((group) => table(group, sources))}`));
}

function rules({ verdict, violated, areas }: RulesData): Section {
  return section("rules", "Rules", (sources) => html`<p class="verdict">${mark(verdict)}</p><p>A rule that finds nothing to judge here holds.</p>${table(violated, sources)}${areas.map((area) => table(area, sources))}`);
}

function cost({ warnings, own, totals, curve, clouds, claims, notes }: CostData): Section {
  return section("cost", "Cost", (sources) => html`${list(warnings, "cautions")}${barChart(totals)}${table(own, sources)}${curve === undefined ? html`<p>No GPU, so that there is no cost of a GPU-hour.</p>` : costCurve(curve)}${table(clouds, sources)}${claims.length === 0 ? undefined : html`<h3>The guide's claims</h3>${list(claims)}`}<h3>Assumed</h3>${list(notes)}`);
}

/** All parts of the page, in reading order. */
export function sections(data: ReportData): Section[] {
  return [overview(data), racks(data.racks), services(data.services), storage(data.storage), network(data.network), recovery(data.recovery), alerts(data.alerts), rules(data.rules), cost(data.cost)];
}

