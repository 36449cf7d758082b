import { hostPort } from "../../components/host-port";
import { planBackups, type BackupPlace } from "../../components/recovery/backup-plan";
import { slowest } from "../../components/recovery/standby/budget";
import { planStandby, type StandbyPlan } from "../../components/recovery/standby/plan";
import type { Hazard } from "./hazards";
import { code, listed, md, prose, type Markdown } from "./markdown";
import { namesAfter, type Comparison } from "./pairs";

const balancersOf = (plan: StandbyPlan | undefined): string[] => (plan?.balancer?.balancers ?? []).map(({ server }) => server);

function standbyHazards({ base, head, servers }: Comparison): Hazard[] {
  const [before, after] = [base, head].map(({ environment, workloads }) => planStandby(environment, workloads));
  if (before === undefined) return [];
  if (after === undefined) return [{ kind: "unprotected", text: md`nothing switches to standbys any more (recovery.standby.mode becomes none): a server that fails takes its services along.` }];
  const [was, now] = [before.balancer, after.balancer];
  if (was === undefined) return [];
  const address = md`the virtual address ${was.virtualAddress}`;
  if (now === undefined) return [{ kind: "interrupts", text: md`${address} is given up (recovery.standby.mode becomes ${after.mode}): clients that use it get no answer. Give them the services' own names first.` }];
  if (was.virtualAddress !== now.virtualAddress || was.port !== now.port) {
    return [{ kind: "interrupts", text: md`clients get no answer at ${hostPort(was.virtualAddress, was.port)} any more; from then on it is ${hostPort(now.virtualAddress, now.port)}. Let names and firewalls follow in the same hour.` }];
  }
  // A renamed server is the same machine: its keepalived goes on.
  const nameNow = namesAfter(servers);
  const staying = new Set(balancersOf(after));
  const leaving = balancersOf(before).filter((name) => !staying.has(nameNow.get(name) ?? name));
  if (leaving.length === 0) return [];
  const seconds = slowest(before.budget.filter(({ failure }) => failure === "balancer-node"))?.seconds;
  return [{ kind: "interrupts", text: md`${listed(leaving.map((name) => code(name)))} ${prose(leaving.length === 1 ? "is a balancer no more: where it holds" : "are balancers no more: where one of them holds")} ${address}, that moves${seconds === undefined ? md`` : md` within ${seconds} s`}, and requests under way end in an error.` }];
}

function placeWords(place: BackupPlace): Markdown {
  switch (place.kind) {
    case "folder":
      return md`its own cold tier`;
    case "store":
      return md`the cold tier of ${place.server}`;
    case "bucket":
      return md`the object store`;
  }
}

const keyOf = (place: BackupPlace): string => (place.kind === "store" ? `store ${place.server}` : place.kind === "bucket" ? `bucket ${place.path}` : "folder");

function backupHazards({ base, head, servers }: Comparison): Hazard[] {
  const [before, after] = [planBackups(base.environment), planBackups(head.environment)];
  const nameNow = namesAfter(servers);
  return Object.entries(before.sources).flatMap(([was, source]): Hazard[] => {
    const name = nameNow.get(was);
    if (name === undefined) return [{ kind: "by-hand", text: md`backups of ${was} stay in ${source.place.kind === "folder" ? md`its own cold tier, and go with the server` : placeWords(source.place)}: nothing clears them away.` }];
    const now = after.sources[name];
    if (now === undefined) return [{ kind: "unprotected", text: md`${name} is not backed up any more (${listed(source.contents.map((each) => prose(each === "cluster" ? "the cluster's data" : each)))}). What there is stays in ${placeWords(source.place)}.` }];
    const store = source.place.kind === "store" ? nameNow.get(source.place.server) : undefined;
    const same = keyOf(now.place) === keyOf(source.place) || (now.place.kind === "store" && now.place.server === store);
    return same ? [] : [{ kind: "by-hand", text: md`backups of ${name} go to ${placeWords(now.place)} from now on, the first one whole. Older ones stay in ${placeWords(source.place)}: keep it until the new place has as many days as you need.` }];
  });
}

/** What the change does to standbys and backups. */
export function recoveryHazards(comparison: Comparison): Hazard[] {
  return [...standbyHazards(comparison), ...backupHazards(comparison)];
}
