/** Exit codes of every command, as documented in README and `--help`. */
export const exitCodes = {
  /** Everything is as wanted. */
  well: 0,
  /** A finding: drift, a violated rule, a failed step, a failed rehearsal. */
  finding: 1,
  /** Bad input: a flag, an environment file, a missing secret. Nothing was done. */
  badInput: 2,
  /** A server, a package source or a program that is needed could not be reached. */
  unreachable: 3,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error that a user can mend: printed as its message alone, never with a stack trace. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly code: ExitCode,
  ) {
    super(message);
  }
}
