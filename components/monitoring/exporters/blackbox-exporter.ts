import { stringify } from "yaml";
import { image } from "../../catalog/images";
import { homeOf } from "../../cluster/namespaces";
import type { KubernetesObject } from "../../cluster/object";
import type { Environment } from "../../environment/schema";
import { ports } from "../names";
import { host, openings, scraper } from "../network";
import { configMap, programDeployment, programService } from "../objects";
import { blackboxConfig, probeTargets } from "../prometheus-config";

const name = "blackbox-exporter";
const folder = "/etc/blackbox";

/** The blackbox exporter, which looks at certificates; nothing where nothing has one. */
export function blackboxExporterObjects(environment: Environment): KubernetesObject[] {
  const targets = probeTargets(environment);
  if (targets.length === 0) return [];
  const namespace = homeOf(environment);
  const text = stringify(blackboxConfig());
  const program = {
    name,
    namespace,
    image: image("blackbox-exporter", environment),
    args: [`--config.file=${folder}/blackbox.yml`, `--web.listen-address=:${ports.blackboxExporter}`],
    ports: { http: ports.blackboxExporter },
    ready: "/-/healthy",
    requests: { cpu: "20m", memory: "32Mi" },
    memoryLimit: "128Mi",
    volumes: [{ name: "configuration", mountPath: folder, readOnly: true, source: { configMap: { name } } }],
    files: [text],
    pod: { tolerations: [{ operator: "Exists", effect: "NoSchedule" }] },
  };
  const to = targets.map(({ target }) => {
    const { hostname, port } = new URL(`tls://${target}`);
    return { ...host(environment, hostname), ports: [Number(port)] };
  });
  return [
    configMap(namespace, name, name, { "blackbox.yml": text }),
    openings(namespace, name, { from: [{ peers: [scraper(environment)], ports: [ports.blackboxExporter] }], to }),
    programService(program),
    programDeployment(environment, program),
  ];
}
