import { spawn } from "node:child_process";
import { join } from "node:path";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import { AnalyzeRequest, AnalyzerResourceOptions, ConfigureAnalyzerRequest, EnforcementLevel, PolicyConfig, type AnalyzerInfo } from "@pulumi/pulumi/proto/analyzer_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

export interface Finding {
  rule: string;
  level: "advisory" | "mandatory";
  message: string;
}

type Answer<T> = (error: ServiceError | null, response: T) => void;

function ask<T>(call: (answer: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

const struct = (value: object) => Struct.fromJavaScript(JSON.parse(JSON.stringify(value)) as Record<string, JavaScriptValue>);

/** The pack in its real analyzer server, started as the Pulumi CLI starts it. */
export class PackServer {
  private constructor(private readonly client: AnalyzerClient, private readonly stopServer: () => void) {}

  static async start(): Promise<PackServer> {
    const pack = join(__dirname, "../../policies");
    const server = spawn(process.execPath, [require.resolve("@pulumi/pulumi/cmd/run-policy-pack"), "127.0.0.1:1", pack], { cwd: pack, stdio: ["ignore", "pipe", "pipe"] });
    const port = await new Promise<string>((resolve, reject) => {
      let said = "";
      server.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
      server.stderr.on("data", (data: Buffer) => (said += data.toString()));
      server.once("exit", (code) => reject(new Error(`The pack ended with ${String(code)}: ${said}`)));
    });
    const client = new AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
    return new PackServer(client, () => {
      client.close();
      server.kill();
    });
  }

  stop(): void {
    this.stopServer();
  }

  info(): Promise<AnalyzerInfo> {
    return ask((answer) => this.client.getAnalyzerInfo(new Empty(), answer));
  }

  async configure(config: Record<string, { enforcementLevel: "advisory" | "mandatory"; [setting: string]: unknown }>): Promise<void> {
    const request = new ConfigureAnalyzerRequest();
    for (const [rule, { enforcementLevel, ...settings }] of Object.entries(config)) {
      const entry = new PolicyConfig();
      entry.setEnforcementlevel(enforcementLevel === "mandatory" ? EnforcementLevel.MANDATORY : EnforcementLevel.ADVISORY);
      entry.setProperties(struct(settings));
      request.getPolicyconfigMap().set(rule, entry);
    }
    await ask((answer) => this.client.configure(request, answer));
  }

  async analyze({ type, name, spec }: { type: string; name: string; spec: object }): Promise<Finding[]> {
    const request = new AnalyzeRequest();
    request.setType(type);
    request.setName(name);
    request.setUrn(`urn:pulumi:test::rackwright::${type}::${name}`);
    request.setProperties(struct(spec));
    request.setOptions(new AnalyzerResourceOptions());
    const response = await ask<{ getDiagnosticsList(): { getPolicyname(): string; getEnforcementlevel(): EnforcementLevel; getMessage(): string }[] }>((answer) => this.client.analyze(request, answer));
    return response.getDiagnosticsList().map((diagnostic) => ({
      rule: diagnostic.getPolicyname(),
      level: diagnostic.getEnforcementlevel() === EnforcementLevel.MANDATORY ? "mandatory" : "advisory",
      message: diagnostic.getMessage(),
    }));
  }
}
