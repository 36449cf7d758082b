import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { copyImages } from "../../cli/cold-start/images";
import { SetKeys } from "../../components/recovery/cold-start/keys";
import { imageArchive, imageFile } from "../../components/recovery/cold-start/plan";
import { SetWriter } from "../../components/recovery/cold-start/writer";
import { ensurePrograms, missingPackages, type NeededProgram } from "../../rehearsal/packages";
import { endProcess, freePort } from "../engine/command-provider/sshd";
import { full } from "../support/full";

const digest = `sha256:${"0".repeat(64)}`;

describe("an image's archive", () => {
  it.each([
    ["vllm/vllm-openai:v1", "docker-archive", "vllm/vllm-openai:v1"],
    ["mirror.example:5000/a/b:1.2", "docker-archive", "mirror.example:5000/a/b:1.2"],
    ["mirror.example:5000/a/b", "docker-archive", "mirror.example:5000/a/b:latest"],
    [`a/b@${digest}`, "oci-archive", `a/b@${digest}`],
    [`mirror.example:5000/a/b:1@${digest}`, "oci-archive", `mirror.example:5000/a/b@${digest}`],
  ])("of %s is a %s under the name that nodes ask for", (reference, transport, name) => {
    expect(imageArchive(reference)).toEqual({ source: name, transport, name });
  });
});

const programs: readonly NeededProgram[] = [
  { program: "skopeo", package: "skopeo" },
  { program: "docker-registry", package: "docker-registry" },
  { program: "containerd", package: "containerd" },
];

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** An image for two architectures as an OCI layout: one small file in one layer each. */
function writeLayout(folder: string): void {
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  const blob = (mediaType: string, bytes: Buffer): { mediaType: string; digest: string; size: number } => {
    writeFileSync(join(folder, "blobs/sha256", sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const manifests = ["arm64", "amd64"].map((architecture) => {
    mkdirSync(join(folder, architecture));
    writeFileSync(join(folder, architecture, "hello"), architecture);
    const layer = execFileSync("tar", ["--create", "--mtime=@0", "--directory", join(folder, architecture), "hello"]);
    const config = blob("application/vnd.oci.image.config.v1+json", json({ architecture, os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] } }));
    const manifest = json({ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [blob("application/vnd.oci.image.layer.v1.tar", layer)] });
    return { ...blob("application/vnd.oci.image.manifest.v1+json", manifest), platform: { architecture, os: "linux" } };
  });
  const index = blob("application/vnd.oci.image.index.v1+json", json({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests }));
  writeFileSync(join(folder, "index.json"), json({ schemaVersion: 2, manifests: [{ ...index, annotations: { "org.opencontainers.image.ref.name": "1" } }] }));
  writeFileSync(join(folder, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
}

describe("images of a registry", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "rackwright-registry-"));
  const running: ChildProcess[] = [];
  let registry = "";
  let writer: SetWriter;

  async function until(what: string, ready: () => boolean): Promise<void> {
    for (let left = 300; !ready(); left--) {
      if (left === 0) throw new Error(`${what} did not get ready`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  beforeAll(async () => {
    if (full) await ensurePrograms("This test", programs, (line) => process.stderr.write(`${line}\n`));
    const missing = missingPackages((process.env["PATH"] ?? "").split(":"), programs);
    if (missing.length > 0) {
      process.stderr.write(`not installed here: ${missing.join(", ")}; no image was copied from a registry\n`);
      return;
    }
    registry = `127.0.0.1:${await freePort()}`;
    const file = (name: string): string => join(folder, name);
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("key"), "-out", file("certificate")], { stdio: "ignore" });
    writeFileSync(file("registry.yml"), JSON.stringify({ version: 0.1, log: { level: "error" }, storage: { filesystem: { rootdirectory: file("data") } }, http: { addr: registry, tls: { certificate: file("certificate"), key: file("key") } } }));
    process.env["SSL_CERT_FILE"] = file("certificate");
    running.push(spawn("docker-registry", ["serve", file("registry.yml")], { stdio: "ignore" }));
    writeLayout(file("layout"));
    const push = (): boolean => spawnSync("skopeo", ["copy", "--all", "--quiet", `oci:${file("layout")}:1`, `docker://${registry}/team/tool:1`]).status === 0;
    await until("the registry", push);
  }, 300_000);
  afterAll(async () => {
    delete process.env["SSL_CERT_FILE"];
    for (const child of running) await endProcess(child);
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    // A colon in the folder's name: skopeo takes what follows the first one for the image's.
    writer = await SetWriter.begin(join(folder, "cold:tier"), await SetKeys.make("x"), new Date());
  });
  afterEach(() => writer.discard());

  it("are kept by skopeo, by tag and by digest, and containerd takes them in under the names that nodes ask for", async () => {
    if (registry === "") return;
    const index = execFileSync("skopeo", ["inspect", "--format", "{{.Digest}}", `docker://${registry}/team/tool:1`], { encoding: "utf8" }).trim();
    const references = [`${registry}/team/tool:1`, `${registry}/team/tool@${index}`];
    const said: string[] = [];
    expect(await copyImages(references, writer, { doing: (what) => said.push(what) })).toEqual([]);
    expect(said).toEqual(references.map((reference, done) => `saving container images: ${done} of 2 done, ${reference}`));

    const socket = join(folder, "containerd.sock");
    writeFileSync(join(folder, "containerd.toml"), `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`);
    running.push(spawn("containerd", ["--config", join(folder, "containerd.toml")], { stdio: "ignore" }));
    const ctr = (...words: string[]): string => execFileSync("ctr", ["--address", socket, "--namespace", "k8s.io", "images", ...words], { encoding: "utf8" });
    await until("containerd", () => existsSync(socket));
    for (const reference of references) ctr("import", "--base-name", `${registry}/team/tool`, "--all-platforms", "--no-unpack", join(writer.folder, imageFile(reference)));
    expect(ctr("ls", "--quiet").trim().split("\n").sort()).toEqual(references.sort());
    expect(ctr("ls", `name==${registry}/team/tool@${index}`)).toContain(index);
  });

  it("that cannot be had are gaps in skopeo's words, and leave no half of a file", async () => {
    if (registry === "") return;
    const gaps = await copyImages([`${registry}/team/nothing:1`, "127.0.0.1:9/a:1"], writer);
    expect(gaps).toMatchObject([
      { kind: "image", name: `${registry}/team/nothing:1`, reason: expect.stringMatching(/^(?!time=).*manifest unknown/) as string },
      { kind: "image", name: "127.0.0.1:9/a:1", reason: expect.stringContaining("connection refused") as string },
    ]);
    expect(readdirSync(join(writer.folder, "images"))).toEqual([]);
  });

  it("are gaps where there is no skopeo, with what to install", async () => {
    expect(await copyImages(["a:1"], writer, { program: "/nonexistent/skopeo" })).toEqual([{ kind: "image", name: "a:1", reason: "skopeo is not installed on this machine: apt-get install skopeo" }]);
  });
});
