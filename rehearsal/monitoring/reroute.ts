type Data = Readonly<Record<string, unknown>>;

export interface Reroute {
  /** Where the rehearsal answers for every address of the site, as an HTTP proxy. */
  proxyUrl: string;
  /** Credentials for service discovery, which a pod finds in its own file system. */
  kubeconfigFile?: string;
}

const listOf = (value: unknown): Data[] => (Array.isArray(value) ? (value as Data[]) : []);

/**
 * Prometheus' configuration as a process of this machine runs it: all of it stays, addresses too. Each scrape and each
 * Alertmanager is reached through the rehearsal's proxy, and service discovery is told where the API server is.
 */
export function reroutedConfig(config: Data, { proxyUrl, kubeconfigFile }: Reroute): Data {
  const discovery = (job: Data): Data => (job["kubernetes_sd_configs"] === undefined || kubeconfigFile === undefined ? {} : { kubernetes_sd_configs: listOf(job["kubernetes_sd_configs"]).map((each) => ({ ...each, kubeconfig_file: kubeconfigFile })) });
  const through = (job: Data): Data => ({ ...job, ...discovery(job), proxy_url: proxyUrl });
  const alerting = config["alerting"] as Data | undefined;
  return {
    ...config,
    ...(alerting === undefined ? {} : { alerting: { ...alerting, alertmanagers: listOf(alerting["alertmanagers"]).map(through) } }),
    scrape_configs: listOf(config["scrape_configs"]).map(through),
  };
}
