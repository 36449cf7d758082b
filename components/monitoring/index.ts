export { Monitoring, type MonitoringArgs } from "./monitoring";
export { monitoringFindings, planMonitoring } from "./plan";
export { summariseMonitoring, type MonitoringSummary } from "./summary";
