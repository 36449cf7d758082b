import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { imageFile, imagesIn } from "../../components/recovery/cold-start/plan";
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
 * Copies images by skopeo, as Docker archives under the names that nodes pull: k3s takes such a file in when it starts.
 * @returns a gap for each that could not be had, with what skopeo said
 */
export async function copyImages(references: readonly string[], writer: SetWriter, program = "skopeo", signal?: AbortSignal): Promise<Gap[]> {
  const gaps: Gap[] = [];
  for (const reference of references) {
    signal?.throwIfAborted();
    const reason = await copyImage(program, reference, await writer.place(imageFile(reference)), signal);
    if (reason !== undefined) gaps.push({ kind: "image", name: reference, reason });
  }
  return gaps;
}

async function copyImage(program: string, reference: string, file: string, signal?: AbortSignal): Promise<string | undefined> {
  const child = spawn(program, ["copy", "--quiet", "--retry-times", "2", `docker://${reference}`, `docker-archive:${file}:${reference}`], { stdio: ["ignore", "ignore", "pipe"], ...(signal === undefined ? {} : { signal }) });
  try {
    const [complaint, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number | null]>]);
    return code === 0 ? undefined : complaint.trim().split("\n").at(-1) ?? "skopeo did not say why";
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "skopeo is not installed on this machine: apt-get install skopeo";
    throw error;
  }
}
