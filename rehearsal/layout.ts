import { readFileSync } from "node:fs";
import { join } from "node:path";
import { workloadUser } from "../components/cluster/names";
import type { GuestFile } from "./disk";
import type { Finished } from "./process";
import type { RemoteShell } from "./ssh";
import { must } from "./verdict";

const script = "/usr/local/lib/layout.sh";
/** What runs a program as the workloads' user. */
export const asWorkload = `setpriv --reuid ${workloadUser} --regid ${workloadUser} --clear-groups --no-new-privs`;

/** What an emulated server needs to lay out models: the script itself, and rclone. */
export function layoutFiles(rclone: string): GuestFile[] {
  return [
    { path: "/usr/local/bin/rclone", text: readFileSync(rclone), mode: 0o755 },
    { path: script, text: readFileSync(join(__dirname, "../components/inference/model-store/layout.sh")) },
  ];
}

/** The layout as a pod runs it: by the workloads' user. */
export function layOut(ssh: RemoteShell, store: string, flags: string): Promise<Finished> {
  return ssh.try(`HOME=/tmp ${asWorkload} sh ${script} --source ${store} ${flags}`);
}

export interface LayoutSummary {
  ok: boolean;
  message?: string;
  bytesCopied?: number;
  filesKept?: number;
  filesCopied?: number;
  seconds?: number;
}

/** The last line: the layout's own summary. */
export function summaryOf({ stdout }: Finished): LayoutSummary {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "{}") as LayoutSummary;
}

/** @throws Mismatch where the layout ended otherwise than well */
export function mustSucceed(finished: Finished): LayoutSummary {
  must(finished.code === 0, `the layout ended with exit code ${finished.code}: ${finished.stderr.trim()}`);
  return summaryOf(finished);
}

/** Puts a model of random shards into a store, as `docs/model-store.md` says. Returns its manifest's SHA-256. */
export async function putModel(ssh: RemoteShell, folder: string, shards: number, shardMiB: number): Promise<string> {
  await ssh.run(
    `mkdir -p ${folder} && cd ${folder} && for i in $(seq ${shards}); do head -c ${shardMiB}M /dev/urandom >"$(printf 'model-%05d-of-%05d.safetensors' "$i" ${shards})"; done && ` +
      "printf '{}' >config.json && find . -type f ! -name manifest.sha256 -printf '%P\\0' | sort -z | xargs -0 sha256sum >manifest.sha256 && chmod -R a+rX . && sync",
  );
  return (await ssh.run(`sha256sum <${folder}/manifest.sha256`)).slice(0, 64);
}
