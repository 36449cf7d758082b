import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Writes what k3s writes when it has started, and tells its version. The real one cannot be had without the internet. */
export function standIn(version: string, onServer = "true"): string {
  return `#!/bin/bash
case $1 in
  --version) echo "k3s version ${version} (stand-in)" ;;
  server)
    ${onServer} || exit 1
    mkdir -p /var/lib/rancher/k3s/server/db /etc/rancher/k3s
    [[ -s /var/lib/rancher/k3s/server/node-token ]] || echo K10made::server:here >/var/lib/rancher/k3s/server/node-token
    echo 'server: https://127.0.0.1:6443' >/etc/rancher/k3s/k3s.yaml ;;
  agent) [[ -s $(awk '$1 == "token-file:" { gsub(/"/, "", $2); print $2 }' /etc/rancher/k3s/config.yaml) ]] ;;
esac
`;
}

const imagesName = "k3s-airgap-images-amd64.tar.zst";

/** The files of a site's mirror, over HTTP on loopback. */
export class Mirror {
  readonly requests: string[] = [];
  private readonly files = new Map<string, string>();
  private readonly server: Server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    this.requests.push(path);
    const content = this.files.get(path);
    response.writeHead(content === undefined ? 404 : 200);
    response.end(content ?? "");
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  /** Address of a version's folder. */
  folder(version: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/files/k3s/${encodeURIComponent(version)}`;
  }

  /** Holds a version as its release page has it. */
  hold(version: string, binary = standIn(version)): void {
    const images = `images of ${version}`;
    const sum = (content: string): string => createHash("sha256").update(content).digest("hex");
    this.put(version, "k3s", binary);
    this.put(version, imagesName, images);
    this.put(version, "sha256sum-amd64.txt", `${sum("x")}  k3s-airgap-images-amd64.tar\n${sum(images)}  ${imagesName}\n${sum(binary)}  k3s\n`);
  }

  put(version: string, name: string, content: string | undefined): void {
    const path = `/files/k3s/${version}/${name}`;
    if (content === undefined) this.files.delete(path);
    else this.files.set(path, content);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => { this.server.close(() => { resolve(); }); });
  }
}
