import { imageLifecycles } from "../../components/catalog";
import { asOf, hasEnded } from "../lifecycle";
import { rule } from "../rule";
import { containersOf, POD_OWNERS, type PodOwnerSpec } from "../specs";

const settings = { asOf } as const;

/** Repository and tag of an image's name. A colon before the last slash is a port. */
function partsOf(image: string): { repository: string; tag: string } {
  const [, repository = "", tag = ""] = /^([^@]+?)(?::([^/:@]+))?(?:@.*)?$/.exec(image) ?? [];
  return { repository, tag };
}

const begins = (tag: string, line: string): boolean => tag === line || tag.startsWith(`${line}.`) || tag.startsWith(`${line}-`);

export const imagesSupported = rule<PodOwnerSpec, typeof settings>({
  name: "images-supported",
  title: "Container images that still get fixes",
  description: "A container's image should be of a release that still gets security fixes, as far as its makers say when they end.",
  section: "facts 0.10, with dates from components/catalog/lifecycle.ts",
  severity: "medium",
  enforcementLevel: "advisory",
  remediationSteps: "Take the image of a release that is supported. The dates that the rule knows are in components/catalog/lifecycle.ts; most images announce none and are not judged.",
  types: POD_OWNERS,
  settings,
  check(spec, settings, report, name) {
    for (const { name: container, image } of containersOf(spec)) {
      const { repository, tag } = partsOf(image);
      const line = imageLifecycles.find(({ repository: own, tags }) => (repository === own || repository.endsWith(`/${own}`)) && (tags === undefined || begins(tag, tags)));
      if (line === undefined || !hasEnded(line.endOfLife, settings.asOf)) continue;
      report({ at: `${name}.${container}.image`, problem: `${image} is ${line.name}, whose support ended in ${line.endOfLife}`, limit: "an image that is supported", remedy: line.instead });
    }
  },
});
