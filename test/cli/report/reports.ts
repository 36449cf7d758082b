import type { EnvironmentInput } from "../../../components/environment";
import { summariseMonitoring } from "../../../components/monitoring";
import { planServer } from "../../../components/servers";
import { planSite } from "../../../components/site";
import type { EnvironmentPlan } from "../../../cli/plan-environment";
import { reportData, type ReportData } from "../../../cli/report/data/report-data";
import { rules } from "../../../policies/all";
import { stack, type stackNames } from "../../cluster/environments";

type StackName = (typeof stackNames)[number];

export const madeAt = new Date("2026-11-26T08:00:30Z");

/** What a report shows of an environment under stacks/, with what the planners say and what `found` says in the engine's place. */
export function reportOf(name: StackName, { change, ...found }: Partial<EnvironmentPlan> & { change?: (input: EnvironmentInput) => void } = {}): ReportData {
  const environment = stack(name, change);
  const { workloads, findings } = planSite(environment);
  const monitoring = findings.length === 0 ? summariseMonitoring(environment, workloads) : undefined;
  const plan: EnvironmentPlan = {
    environment: name,
    ok: true,
    site: environment.site,
    servers: Object.entries(environment.servers).map(([server, facts]) => ({ ...planServer(environment, server), facts })),
    workloads: findings.length === 0 ? workloads : { services: {}, training: {} },
    ...(monitoring === undefined ? {} : { monitoring }),
    changes: {},
    resources: [],
    rules: rules.length,
    checks: [],
    diagnostics: [],
    durationSeconds: 1,
    ...found,
  };
  return reportData({ environment, plan, rules, madeAt });
}

/** The same data with every text replaced, those that choose a form among them. */
export function withTexts<T>(value: T, replacement: (text: string) => string): T {
  if (typeof value === "string") return replacement(value) as T;
  if (Array.isArray(value)) return value.map((each: unknown) => withTexts(each, replacement)) as T;
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withTexts(each as unknown, replacement)])) as T;
  return value;
}

/** Every way out of text, attributes, scripts, style sheets and comments of a page, control characters, and nowhere to break a line. */
export const hostile = `"><img src="http://127.0.0.1:9/x" onerror="alert(1)"><script>alert(2)</script><svg onload='alert(3)'></style></title>--><!--&lt;\u202e\u0007'\`${"x".repeat(120)}`;
