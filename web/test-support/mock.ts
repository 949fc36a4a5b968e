/** Runs the mock server as its own process, so that a test can take it away and bring it back. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const SERVER = fileURLToPath(new URL("../console/mock/server.mjs", import.meta.url));

export interface Mock {
  readonly url: string;
  stop(): Promise<void>;
}

/** Port 0 takes any free one; with a key the mock asks for credentials; more flags stand in the mock's head. */
export async function startMock(port = 0, key?: string, ...flags: string[]): Promise<Mock> {
  const access = key === undefined ? [] : ["--key", key];
  const child = spawn(process.execPath, [SERVER, "--port", String(port), ...access, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const url = /http:\S+/.exec(line.toString())?.[0];
  if (url === undefined) throw new Error(`the mock did not say where it listens: ${line.toString()}`);
  return {
    url,
    async stop() {
      const exited = once(child, "exit");
      child.kill();
      await exited;
    },
  };
}
