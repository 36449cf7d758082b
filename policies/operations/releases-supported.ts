import { kubernetesReleases, operatingSystems } from "../../components/catalog";
import { kubernetesMinor } from "../../components/catalog/kubernetes";
import { asOf, hasEnded } from "../lifecycle";
import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

const settings = { asOf } as const;

export const releasesSupported = rule<SiteSpec, typeof settings>({
  name: "releases-supported",
  title: "An operating system and a Kubernetes that still get fixes",
  description: "The servers' operating system and the Kubernetes that is installed on them should be releases that still get security fixes.",
  section: "guide 3.1, with dates from components/catalog/lifecycle.ts",
  severity: "high",
  enforcementLevel: "advisory",
  remediationSteps: "Move to a release that is supported: another software.os, or a newer version of this product, which pins Kubernetes. A cluster that exists already is not judged, for the environment does not say what it runs.",
  types: [SITE],
  settings,
  check({ servers, software, cluster }, settings, report) {
    if (Object.keys(servers).length === 0) return;
    const os = operatingSystems[software.os];
    if (os !== undefined && hasEnded(os.endOfLife, settings.asOf)) {
      report({ at: "software.os", problem: `${os.name} (${software.os}) has had no security fixes since its support ended in ${os.endOfLife}`, limit: "a supported release", remedy: "choose another release, or buy the vendor's longer support and disable this rule" });
    }
    const kubernetes = kubernetesReleases[kubernetesMinor];
    if (cluster.distribution === "k3s" && kubernetes !== undefined && hasEnded(kubernetes.endOfLife, settings.asOf)) {
      report({ at: "cluster.distribution", problem: `k3s brings ${kubernetes.name}, which has had no fixes since its support ended in ${kubernetes.endOfLife}`, limit: "a supported release of Kubernetes", remedy: "take a newer version of this product, which pins a newer k3s" });
    }
  },
});
