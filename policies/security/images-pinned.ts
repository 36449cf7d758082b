import { list, rule } from "../rule";
import { containersOf, POD_OWNERS, type PodOwnerSpec } from "../specs";

const settings = {
  registries: { type: "array", items: { type: "string" }, description: "Registries, with a path where wanted, that images may come from. Empty: any.", default: [] as readonly string[] },
  byDigest: { type: "boolean", description: "Ask for a digest (@sha256:) in every image's name. The product's own table names tags, so that this needs a mirror that rewrites them.", default: false },
} as const;

const digest = /@sha256:[0-9a-f]{64}$/;

/** The tag of an image's name; undefined where it has none. A colon before the last slash is a port. */
function tagOf(image: string): string | undefined {
  return /:([^/:@]+)(@.*)?$/.exec(image)?.[1];
}

export const imagesPinned = rule<PodOwnerSpec, typeof settings>({
  name: "images-pinned",
  title: "Container images of one known version",
  description: "Every container's image must name a version by tag or digest, and come from a registry that the site lists where it lists any.",
  section: "guide 1, facts 8",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Write the image with a tag other than latest or with its digest. At a site with a mirror set `registries` to site.mirror.images, so that nothing is pulled from elsewhere.",
  types: POD_OWNERS,
  settings,
  check(spec, { registries, byDigest }, report, name) {
    for (const { name: container, image } of containersOf(spec)) {
      const at = `${name}.${container}.image`;
      const tag = tagOf(image);
      if (!digest.test(image) && (byDigest || tag === undefined || tag === "latest")) {
        report({ at, problem: `${image} names ${tag === undefined ? "no version" : `the tag ${tag}`}, which can be another image tomorrow`, limit: byDigest ? "a digest (@sha256:)" : "a tag other than latest, or a digest", remedy: byDigest ? "add the digest" : "write the version as the tag" });
      }
      if (registries.length > 0 && !registries.some((registry) => image.startsWith(`${registry}/`))) {
        report({ at, problem: `${image} comes from elsewhere`, limit: `images below ${list(registries, "or")}`, remedy: "copy it to the site's registry and take it from there" });
      }
    }
  },
});
