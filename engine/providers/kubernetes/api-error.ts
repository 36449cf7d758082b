/** What the API server answered instead of doing it. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** HTTP status. */
    readonly code: number,
    /** Kubernetes' word for it: `NotFound`, `Conflict`, `Invalid`. */
    readonly reason: string,
    readonly causes: { field: string; message: string; reason: string }[] = [],
  ) {
    super(message);
  }
}

/** Nothing answered, or the kubeconfig leads nowhere. */
export class Unreachable extends Error {}

/** The server does not know the kind; its definition may still come. */
export class UnknownKind extends Error {
  constructor(readonly apiVersion: string, readonly kind: string) {
    super(`the API server knows no ${apiVersion} ${kind}; apply the custom resource definition that brings it first (dependsOn)`);
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404;
}

interface StatusBody {
  message?: string;
  reason?: string;
  details?: { causes?: { field?: string; message?: string; reason?: string }[] };
}

/** Reads the `Status` object that the API server sends with an error. */
export function apiError(code: number, body: string): ApiError {
  let status: StatusBody = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null) status = parsed;
  } catch {
    // Proxies in between answer with a page of their own.
  }
  const { message = body.trim().slice(0, 500), reason = "", details } = status;
  const causes = (details?.causes ?? []).map((cause) => ({
    field: cause.field ?? "", message: cause.message ?? "", reason: cause.reason ?? "",
  }));
  return new ApiError(message === "" ? `HTTP ${String(code)}` : message, code, reason, causes);
}

/** An error of the API server as a user wants to read it. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.code === 401) {
    return "the API server does not accept the credentials of the kubeconfig (401 Unauthorized); have they expired? try: kubectl auth whoami";
  }
  if (error.code === 403 && error.reason === "Forbidden" && / cannot /.test(error.message)) {
    return `${error.message}; give the user of the kubeconfig that right (RBAC), or use another one`;
  }
  return error.message;
}
