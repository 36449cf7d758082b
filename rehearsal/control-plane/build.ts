import { RehearsalError } from "../process";
import { controlPlaneModules, programs } from "./programs";

// Builds what tests and rehearsals of the cluster need before they need it, so that none of them seems to hang.
programs(controlPlaneModules, { onProgress: (line) => process.stderr.write(`   ${line}\n`) }).catch((error: unknown) => {
  if (!(error instanceof RehearsalError)) throw error;
  process.stderr.write(`rackwright: ${error.message}\n`);
  process.exitCode = 3;
});
