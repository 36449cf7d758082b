import { StringDecoder } from "node:string_decoder";

/** Keeps everything that a stream of bytes carried and hands out its complete lines as they come. */
export class LineCollector {
  private readonly decoder = new StringDecoder("utf8");
  private readonly chunks: string[] = [];
  private pending = "";

  constructor(private readonly onLine?: (line: string) => void) {}

  add(bytes: Buffer): void {
    this.take(this.decoder.write(bytes));
  }

  /** Hands out the last line where it had no line end, and returns the whole text. */
  finish(): string {
    this.take(this.decoder.end());
    if (this.pending !== "") this.emit(this.pending);
    this.pending = "";
    return this.chunks.join("");
  }

  private take(text: string): void {
    if (text === "") return;
    this.chunks.push(text);
    if (this.onLine === undefined) return;
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) {
      this.emit(this.pending + line);
      this.pending = "";
    }
    this.pending += last;
  }

  private emit(line: string): void {
    this.onLine?.(line.endsWith("\r") ? line.slice(0, -1) : line);
  }
}
