// Runs a command beside a gateway of its own, with all its parts; or beside the one that WEIR_RUN_FILE names.
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const START_MS = 120_000;
const [program, ...parameters] = process.argv.slice(2);

function ended(child) {
  return new Promise((done) => child.once("exit", (code, signal) => done(signal ? 1 : (code ?? 1))));
}

async function start() {
  const state = resolve(process.env.WEIR_STATE_DIR ?? "../.weir/console-tests");
  mkdirSync(state, { recursive: true });
  const ports = ["GATEWAY", "ADMIN", "XDS", "ENVOY_ADMIN", "DEMO_PROVIDER", "POSTGRES"].map((name) => [
    `WEIR_${name}_PORT`,
    "0",
  ]);
  // Never a provider that costs money, nor a database of somebody's.
  const { DATABASE_URL, OPENAI_API_KEY, ANTHROPIC_API_KEY, ...environment } = process.env;
  const child = spawn(resolve(process.env.WEIR_DEV_BINARY ?? "../target/debug/weir-dev"), ["run"], {
    cwd: resolve(".."),
    env: { ...environment, ...Object.fromEntries(ports), WEIR_STATE_DIR: state },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log = join(state, "weir-dev.log");
  const file = createWriteStream(log);
  child.stdout.pipe(file);
  child.stderr.pipe(file);
  const exit = ended(child);
  const runFile = join(state, "run.json");
  const deadline = Date.now() + START_MS;
  while (!existsSync(runFile)) {
    const dead = await Promise.race([exit, new Promise((next) => setTimeout(next, 100))]);
    if (dead !== undefined || Date.now() > deadline) {
      child.kill("SIGTERM");
      throw new Error(`the gateway did not start:\n${readFileSync(log, "utf8")}`);
    }
  }
  const stop = () => {
    child.kill("SIGTERM");
    return exit;
  };
  return { runFile, stop };
}

const gateway = process.env.WEIR_RUN_FILE ? undefined : await start();
const environment = gateway ? { ...process.env, WEIR_RUN_FILE: gateway.runFile } : process.env;
const command = spawn(program, parameters, { stdio: "inherit", env: environment });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => command.kill(signal));
const code = await ended(command);
await gateway?.stop();
process.exit(code);
