import { rule } from "../rule";
import { SITE, type SiteSpec } from "../specs";

export const trainingImagesFromTheMirror = rule<SiteSpec>({
  name: "training-images-from-the-mirror",
  title: "Training images from the site's registry",
  description: "At a site without internet access, the image that a training job names must come from the site's registry.",
  section: "guide 1, facts 8",
  severity: "high",
  enforcementLevel: "mandatory",
  remediationSteps: "Copy the image to the registry of site.mirror.images and write its name there. Images of the product's own are taken from it without being asked.",
  types: [SITE],
  check({ site, training }, _settings, report) {
    const registry = site.mirror?.images;
    if (site.internetAccess || registry === undefined) return;
    for (const [job, { image }] of Object.entries(training)) {
      if (image === undefined || image.startsWith(`${registry}/`)) continue;
      report({ at: `training.${job}.image`, problem: `${image} is not in the site's registry, and the site has no internet access`, limit: `images below ${registry}/`, remedy: "copy the image there and name that copy" });
    }
  },
});
