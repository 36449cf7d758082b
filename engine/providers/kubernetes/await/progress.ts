import type { Api } from "../api";
import type { KubeObject } from "../object";

/** How far an object has come. */
export interface Progress {
  done: boolean;
  /** For the user: what is being waited for. */
  status: string;
  /** It will never be ready: why. */
  failed?: string;
}

/** What a judgement may look up besides the object itself. */
export interface Surroundings {
  api: Api;
  inputs: KubeObject;
  /** Whether the object was there before this step. */
  existed: boolean;
  /** Milliseconds since what was looked at last changed. */
  quietMs: (fingerprint: string) => number;
  signal: AbortSignal;
}

export type Judge = (live: KubeObject, around: Surroundings) => Progress | Promise<Progress>;
