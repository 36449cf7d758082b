export { planSite, type SitePlan } from "./plan";
export { missingSecrets, type MissingSecret } from "./secrets";
export { Site, type SiteArgs } from "./site";
export type { ServerSummary, ServiceSummary } from "./summary";
