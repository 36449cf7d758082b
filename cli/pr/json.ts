import { formatProblems } from "../../components/environment";
import { describeChanges } from "./changes";
import type { PullRequest } from "./pull-request";
import { blocks } from "./review";
import { scrub } from "./scrub";

/** What `rackwright pr --json` prints: all that the comment says, uncut, for other programs. Inputs of resources are not in it, for they are state. */
export function toJson({ base, head, reviews, unchanged }: PullRequest, comment: string) {
  return {
    base, head, unchanged,
    ok: !reviews.some(blocks),
    environments: reviews.map((each) => ({
      environment: each.name,
      change: each.what,
      ok: !blocks(each),
      hazards: each.hazards.map(({ kind, text }) => ({ kind, markdown: text.text })),
      changes: each.comparison === undefined ? [] : describeChanges(each.comparison).map(({ text }) => text),
      problems: [...each.problems.map((problem) => scrub(formatProblems(each.head?.source.file ?? "", [problem]))), ...each.failures.map(scrub)],
      checks: (each.verdicts?.found ?? []).map(({ message, resource, ...verdict }) => ({ ...verdict, resource: scrub(resource), message: scrub(message) })),
      mended: (each.verdicts?.mended ?? []).map(({ policy, message }) => ({ policy, message: scrub(message) })),
      resources: each.steps.filter(({ op }) => op !== "same").map(({ op, urn, type, changed }) => ({ op, urn: scrub(urn), type, changed: changed.map(scrub) })),
    })),
    comment,
  };
}
