import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCES = join(__dirname, "..");
/** Files that are not ours to shape. */
const GENERATED = ["api/gen/schema.ts"];
const LONGEST = 600;

interface Source {
  path: string;
  text: string;
}

function sources(folder = SOURCES): Source[] {
  return readdirSync(folder).flatMap((name) => {
    const file = join(folder, name);
    if (statSync(file).isDirectory()) return sources(file);
    const path = relative(SOURCES, file);
    return /\.tsx?$/.test(name) && !GENERATED.includes(path) ? [{ path, text: readFileSync(file, "utf8") }] : [];
  });
}

const all = sources();
const code = all.filter(({ path }) => !path.includes(".test.") && !path.startsWith("test/"));

function imports(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
}

function offenders(files: Source[], isWrong: (source: Source) => boolean): string[] {
  return files.filter(isWrong).map(({ path }) => path);
}

describe("the structure of the console", () => {
  it("has features that know no other feature", () => {
    const feature = (path: string) => /^features\/([^/]+)\//.exec(path)?.[1];
    const found = code.flatMap(({ path, text }) =>
      imports(text)
        .filter((name) => name.startsWith("."))
        .map((name) => relative(SOURCES, join(SOURCES, path, "..", name)))
        .filter((target) => feature(path) && feature(target) && feature(target) !== feature(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(found).toEqual([]);
  });

  it("has a design system and an API client that know no feature", () => {
    const below = code.filter(({ path }) => /^(design|api)\//.test(path));
    expect(offenders(below, ({ text }) => imports(text).some((name) => name.includes("features/")))).toEqual([]);
  });

  it("makes links by paths.ts only", () => {
    const isWrong = ({ text }: Source) => /\b(?:to|href)=(?:"|\{"|\{`)\/|push\("\/|replace\("\/|to: "\//.test(text);
    expect(offenders(code, isWrong)).toEqual([]);
  });

  it("keeps state of the server in the query cache: nothing else fetches", () => {
    const isWrong = ({ path, text }: Source) => path !== "api/client.ts" && /\bfetch\(|XMLHttpRequest/.test(text);
    expect(offenders(code, isWrong)).toEqual([]);
  });

  it("has its words in texts.ts", () => {
    // A word between tags. Names of products (schemas, headers) are no words.
    const isWrong = ({ text }: Source) => />\s*[A-Z][a-z]+ ?[a-z]*\s*<\//.test(text);
    expect(offenders(code, isWrong)).toEqual([]);
  });

  it("writes no HTML of its own and no inline script", () => {
    expect(offenders(code, ({ text }) => /dangerouslySetInnerHTML|innerHTML|\beval\(/.test(text))).toEqual([]);
  });

  it("has files that can be read at once", () => {
    expect(offenders(all, ({ text }) => text.split("\n").length > LONGEST)).toEqual([]);
  });
});
