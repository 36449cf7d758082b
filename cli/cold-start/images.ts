import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { imageArchive, imageFile, imagesIn, type ImageArchive } from "../../components/recovery/cold-start/plan";
import type { Gap } from "../../components/recovery/cold-start/set";
import type { SetWriter } from "../../components/recovery/cold-start/writer";
import { preview } from "../../engine";
import { engineOptions } from "../plan-environment";
import type { LoadedEnvironment } from "../project";
import { secretPlaceholders } from "../secrets";

/** Images that the objects of an environment name, from a preview that contacts nothing. */
export async function imagesOf(loaded: LoadedEnvironment, signal?: AbortSignal): Promise<string[]> {
  const objects: unknown[] = [];
  await preview({
    ...engineOptions(loaded, { secrets: secretPlaceholders(loaded), ...(signal === undefined ? {} : { signal }) }),
    onEvent: ({ resourcePreEvent }) => {
      const { type, new: planned } = resourcePreEvent?.metadata ?? {};
      if (type?.startsWith("kubernetes:") === true) objects.push(planned?.inputs);
    },
  });
  return imagesIn(objects);
}

/**
 * Copies images by skopeo, as archives under the names that nodes pull: k3s takes such a file in when it starts.
 * @returns a gap for each that could not be had, with what skopeo said
 */
export async function copyImages(references: readonly string[], writer: SetWriter, { program = "skopeo", signal, doing }: { program?: string; signal?: AbortSignal; doing?: (what: string) => void } = {}): Promise<Gap[]> {
  const gaps: Gap[] = [];
  for (const [index, reference] of references.entries()) {
    signal?.throwIfAborted();
    doing?.(`saving container images: ${index} of ${references.length} done, ${reference}`);
    const file = await writer.place(imageFile(reference));
    const reason = await copyImage(program, imageArchive(reference), file, signal);
    if (reason === undefined) continue;
    // What skopeo leaves of an image that it could not have.
    await rm(file, { force: true });
    gaps.push({ kind: "image", name: reference, reason });
  }
  return gaps;
}

async function copyImage(program: string, { source, transport, name }: ImageArchive, file: string, signal?: AbortSignal): Promise<string | undefined> {
  const whole = transport === "oci-archive" ? ["--all", "--preserve-digests"] : [];
  // By its own name, in its folder: skopeo takes what follows the first colon for the image's name.
  const words = ["copy", "--quiet", "--retry-times", "2", ...whole, `docker://${source}`, `${transport}:${path.basename(file)}:${name}`];
  const child = spawn(program, words, { cwd: path.dirname(file), stdio: ["ignore", "ignore", "pipe"], ...(signal === undefined ? {} : { signal }) });
  try {
    const [complaint, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number | null]>]);
    if (code === 0) return undefined;
    const last = complaint.trim().split("\n").at(-1) ?? "";
    // A line of its log: time="…" level=fatal msg="…"
    return /msg="(.*)"$/.exec(last)?.[1]?.replaceAll('\\"', '"') ?? (last === "" ? "skopeo did not say why" : last);
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "skopeo is not installed on this machine: apt-get install skopeo";
    throw error;
  }
}
