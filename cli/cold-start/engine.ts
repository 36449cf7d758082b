import { existsSync } from "node:fs";
import { readsOfCluster, withoutCluster } from "../../components/recovery/cold-start/state";
import { exportStack, importStack, up } from "../../engine";
import { urnsIn } from "../embedded-state";
import { checkHosts } from "../hosts";
import { urnsToMend } from "../mend";
import { engineOptions } from "../plan-environment";
import type { LoadedEnvironment } from "../project";
import type { Progress } from "../terminal";
import type { ColdStartEngine } from "./rebuild";

export interface ColdStartEngineOptions {
  secrets: Record<string, string>;
  passphrase: string;
  stateFile: string;
  progress: Progress;
  signal?: AbortSignal;
  cancelSignal?: AbortSignal;
}

/** The embedded engine, which is part of every set and needs no download. */
export function coldStartEngine(loaded: LoadedEnvironment, { secrets, passphrase, stateFile, progress, signal, cancelSignal }: ColdStartEngineOptions): ColdStartEngine {
  return {
    restoreState: (saved, newCluster) => {
      // A state that is here is newer than the saved one.
      const state = existsSync(stateFile) ? exportStack(stateFile) : saved;
      if (state !== undefined && (newCluster || !existsSync(stateFile))) importStack(stateFile, newCluster ? withoutCluster(state) : state);
      return Promise.resolve();
    },
    check: async () => {
      const report = await checkHosts(loaded.environment, secrets["rackwright:sshPrivateKey"], progress, signal);
      progress.done();
      return report;
    },
    up: async (found, newCluster) => {
      const known = urnsIn(stateFile);
      const replace = [...urnsToMend(loaded.name, found.checks, known), ...(newCluster ? readsOfCluster(known) : [])];
      const base = engineOptions(loaded, { secrets, passphrase, replace, ...(signal === undefined ? {} : { signal }), ...(cancelSignal === undefined ? {} : { cancelSignal }) });
      progress.doing("applying the steps that differ");
      const result = await up({ ...base, stateFile });
      progress.done();
      return { ok: result.ok, messages: result.diagnostics.map(({ message }) => message.trim()) };
    },
  };
}
