export { Monitoring, type MonitoringArgs } from "./monitoring";
export { planMonitoring, type MonitoringPlan } from "./plan";
