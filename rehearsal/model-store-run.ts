import { join } from "node:path";
import { rehearseModelStore } from "./model-store";
import { RehearsalError } from "./process";

/** `sh scripts/run.sh rehearsal/model-store-run.ts [DRIVES ...]`: the model store's rehearsal, one line a check. */
async function main(words: readonly string[]): Promise<number> {
  const drives = words.map(Number);
  const verdict = await rehearseModelStore({
    workDir: join(__dirname, "../.rackwright"),
    ...(drives.length === 0 ? {} : { drives }),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(verdict, undefined, 2)}\n`);
  return verdict.ok ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof RehearsalError ? error.message : String(error)}\n`);
    process.exitCode = error instanceof RehearsalError && error.kind === "unreachable" ? 3 : 1;
  },
);
