import type { Json } from "./encoding";
import { encodeMap, maskedSecrets } from "./encoding";
import { Stopped } from "./monitor";
import type { Finding, PolicyPack, PolicySubject } from "./policy-pack";
import type { Run } from "./run";
import type { PropertyMap } from "./values";

function masked(inputs: PropertyMap): { [key: string]: Json } {
  return encodeMap(inputs, maskedSecrets);
}

/** Asks the policy pack about resources and the stack, and reports what it says. */
export class PolicyChecks {
  constructor(
    private readonly run: Run,
    /** Started beside the program: the first registrations wait for it. */
    private readonly pack: Promise<PolicyPack>,
  ) {}

  /**
   * Lets the pack mend and judge the inputs of one resource.
   * @returns the inputs, and whether a mandatory policy forbids them
   */
  async resource(subject: PolicySubject): Promise<{ inputs: PropertyMap; forbidden: boolean }> {
    const pack = await this.started();
    let inputs = subject.properties;
    for (const remedy of await pack.remediate(subject)) {
      const about = {
        resourceUrn: subject.state.urn,
        color: "never" as const,
        policyName: remedy.policyName,
        policyPackName: remedy.policyPackName,
        policyPackVersion: remedy.policyPackVersion,
        policyPackVersionTag: remedy.policyPackVersion,
      };
      if (remedy.inputs === undefined) {
        this.run.events.violation({ ...about, message: `${remedy.diagnostic}\n`, enforcementLevel: "advisory" });
      } else {
        this.run.events.emit({ policyRemediationEvent: { ...about, before: masked(inputs), after: masked(remedy.inputs) } });
        inputs = remedy.inputs;
      }
    }
    const findings = await pack.analyze({ ...subject, properties: inputs });
    for (const finding of findings) this.report(finding, subject.state.urn);
    return { inputs, forbidden: findings.some(({ level }) => level === "mandatory") };
  }

  async stack(subjects: PolicySubject[], rootUrn: string): Promise<void> {
    const pack = await this.started();
    const urns = new Set(subjects.map(({ state }) => state.urn));
    for (const finding of await pack.analyzeStack(subjects)) {
      this.report(finding, urns.has(finding.urn) ? finding.urn : rootUrn);
    }
  }

  /** A pack that does not start has been reported, and has stopped the run. */
  private started(): Promise<PolicyPack> {
    return this.pack.catch((error: unknown) => {
      throw new Stopped(error instanceof Error ? error.message : String(error));
    });
  }

  private report(finding: Finding, urn: string): void {
    if (finding.level === "mandatory") this.run.violated = true;
    this.run.events.violation({
      resourceUrn: urn,
      message: finding.message.endsWith("\n") ? finding.message : `${finding.message}\n`,
      color: "never",
      policyName: finding.policyName,
      policyPackName: finding.policyPackName,
      policyPackVersion: finding.policyPackVersion,
      policyPackVersionTag: finding.policyPackVersion,
      enforcementLevel: finding.level,
      ...(finding.severity === "" ? {} : { severity: finding.severity }),
    });
  }
}
