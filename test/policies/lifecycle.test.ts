import { describe, expect, it } from "vitest";
import { imageLifecycles, kubernetesReleases, operatingSystems } from "../../components/catalog";
import { kubernetesMinor } from "../../components/catalog/kubernetes";
import { environmentSchema } from "../../components/environment/schema";
import { imagesSupported } from "../../policies/operations/images-supported";
import { releasesSupported } from "../../policies/operations/releases-supported";
import { POD_OWNERS, type PodOwnerSpec } from "../../policies/specs";
import { analyze, broken, expectViolations } from "./analyze";
import { judgeOnOneDay } from "./day";
import { podOwnerSpec, siteSpec } from "./fixtures";

judgeOnOneDay();

describe("the table of ends of support", () => {
  it("has every operating system that an environment may name, and the Kubernetes that is installed", () => {
    for (const os of environmentSchema.shape.software.unwrap().shape.os.unwrap().options) expect(operatingSystems[os]).toBeDefined();
    expect(kubernetesReleases[kubernetesMinor]).toBeDefined();
  });

  it("gives months, each with its source", () => {
    for (const { endOfLife, source } of [...Object.values(operatingSystems), ...Object.values(kubernetesReleases), ...imageLifecycles]) {
      expect(endOfLife).toMatch(/^20\d{2}-(0[1-9]|1[0-2])$/);
      expect(source.length).toBeGreaterThan(10);
    }
  });
});

describe("releases-supported", () => {
  const on = (asOf: string, change: (spec: ReturnType<typeof siteSpec>) => void = () => undefined) => analyze(releasesSupported, broken(siteSpec(), change), { config: { asOf } });
  const kubernetes = { at: "cluster.distribution", says: ["Kubernetes 1.35", "2027-02"], allowed: "a supported release of Kubernetes" };

  it("objects to k3s in the month after its Kubernetes has ended, and to no other cluster", () => {
    expect(on("2027-02-28")).toEqual([]);
    expectViolations(on("2027-03-01"), kubernetes);
    for (const distribution of ["none", "existing"] as const) expect(on("2027-03", ({ cluster }) => (cluster.distribution = distribution))).toEqual([]);
  });

  it.each([["ubuntu-22.04", "2027-04", "2027-05"], ["debian-12", "2028-06", "2028-07"]] as const)("objects to %s once %s has passed", (os, month, after) => {
    const bare = (spec: ReturnType<typeof siteSpec>): void => {
      spec.cluster.distribution = "none";
      spec.software.os = os;
    };
    expect(on(month, bare)).toEqual([]);
    expectViolations(on(after, bare), { at: "software.os", says: [os, month], allowed: "a supported release" });
  });

  it("says nothing of a site without servers, and judges by today unless told otherwise", () => {
    expect(on("2040-01", (spec) => (spec.servers = {}))).toEqual([]);
    expect(analyze(releasesSupported, siteSpec())).toEqual([]);
  });
});

describe("images-supported", () => {
  const of = (image: string, asOf = "2026-11-26") => analyze(imagesSupported, broken(podOwnerSpec(), ({ spec }) => void Object.assign(spec.template?.spec.containers[0] ?? {}, { image })), { name: "web", config: { asOf } });

  it.each([
    ["python:3.9", "Python 3.9", "2025-10"],
    ["registry.site:5000/mirror/library/python:3.10-alpine", "Python 3.10", "2026-10"],
    ["python:3.8.20", "Python 3.8", "2024-10"],
    ["debian:11-slim", "Debian 11", "2026-08"],
    ["minio/minio:RELEASE.2025-09-07T16-13-09Z", "MinIO", "2025-10"],
    [`quay.io/minio/minio@sha256:${"0".repeat(64)}`, "MinIO", "2025-10"],
  ])("objects to %s", (image, name, month) => {
    expectViolations(of(image), { at: "web.engine.image", says: [image, name, month], allowed: "an image that is supported" });
  });

  it.each(["python:3.13-alpine", "python:3.11", "python", "python:3", "debian:12", "debian:110", "ubuntu:22.04", "registry.site:5000/notpython:3.9", "lab/python-tools:3.9", "minio/mc:1"])("says nothing of %s", (image) => {
    expect(of(image)).toEqual([]);
  });

  it.each(imageLifecycles.map(({ repository, tags = "1", endOfLife, name }) => [`${repository}:${tags}`, name, endOfLife] as const))("%s: until the month of its end, and not after it", (image, name, endOfLife) => {
    const [year = 0, month = 0] = endOfLife.split("-").map(Number);
    const after = `${month === 12 ? year + 1 : year}-${String((month % 12) + 1).padStart(2, "0")}`;
    expect(of(image, endOfLife)).toEqual([]);
    expect(of(image, after)[0]).toContain(`is ${name}, whose support ended in ${endOfLife}`);
  });

  it.each(POD_OWNERS)("looks into every container of %s", (type) => {
    const aged = JSON.parse(JSON.stringify(podOwnerSpec(type)).replaceAll("rclone/rclone:1.75.1", "python:3.9")) as PodOwnerSpec;
    expect(analyze(imagesSupported, aged, { type }).length).toBeGreaterThan(0);
  });
});
