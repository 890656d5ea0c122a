import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { Item } from "../api/resources";
import { Picker } from "./Picker";

type Stored = { id: string; name: string; tenant_id?: string | null; email?: string };
const PLATFORMS = ({ tenant_id }: Item<"providers">) => !tenant_id;
const ofTenants = (count: number): Stored[] =>
  Array.from({ length: count }, (_, place) => ({ id: `t${place}`, name: `openai ${place}`, tenant_id: "somebody" }));
const ofPlatform: Stored = { id: "wanted", name: "OpenAI of the platform", tenant_id: null };

/** Answers as the API does, from these. Gives what is asked. `shown`: what the server says of one. */
function serve(stored: Stored[], shown: (one: Stored) => object = (one) => one) {
  const asked: URL[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    asked.push(url);
    const wanted = (url.searchParams.get("q") ?? "").toLowerCase();
    const found = stored.filter(({ name }) => name.toLowerCase().includes(wanted));
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const to = from + Math.min(200, Number(url.searchParams.get("limit")));
    const next_cursor = to < found.length ? String(to) : null;
    const headers = { "content-type": "application/json" };
    return new Response(JSON.stringify({ items: found.slice(from, to).map(shown), next_cursor }), { headers });
  });
  return asked;
}

async function look(accepts?: typeof PLATFORMS) {
  const onChange = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Picker resource="providers" label="Provider" value="" onChange={onChange} accepts={accepts} />
    </QueryClientProvider>,
  );
  fireEvent.click(await screen.findByRole("button", { name: /^Provider/ }));
  return onChange;
}

const write = (text: string) => fireEvent.change(screen.getByRole("combobox"), { target: { value: text } });

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("finds what can be chosen behind hundreds of the same name that cannot", async () => {
  serve([...ofTenants(900), ofPlatform]);
  const onChange = await look(PLATFORMS);
  write("openai");
  fireEvent.click(await screen.findByRole("option", { name: ofPlatform.name }));
  expect(onChange).toHaveBeenCalledWith(ofPlatform.id, ofPlatform.name);
});

it("says that there is none once all have been read, and not before", async () => {
  const asked = serve(ofTenants(900));
  await look(PLATFORMS);
  await screen.findByText("Nothing has this in its name.");
  expect(asked.at(-1)?.searchParams.get("cursor")).toBe("800");
});

it("gives up after so many parts, and asks for more of the name", async () => {
  const asked = serve(ofTenants(200 * 30));
  await look(PLATFORMS);
  await screen.findByText(/write more of the name/, {}, { timeout: 8_000 });
  expect(asked.filter(({ searchParams }) => searchParams.get("limit") === "200")).toHaveLength(20);
});

it("shows more of them, part by part", async () => {
  const asked = serve(ofTenants(900));
  await look();
  fireEvent.click(await screen.findByRole("button", { name: "Load more" }));
  await screen.findByRole("option", { name: "openai 99" });
  expect(screen.getAllByRole("option")).toHaveLength(100);
  expect(asked.at(-1)?.searchParams.get("cursor")).toBe("50");
});

it("finds people by their addresses", async () => {
  const people = Array.from({ length: 900 }, (_, place) => ({ id: `u${place}`, email: `person${place}@weir.example` }));
  const stored = people.map(({ id, email }) => ({ id, email, name: email }));
  serve(stored, ({ id, email }) => ({ id, email }));
  const onChange = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Picker resource="users" label="User" value="" onChange={onChange} />
    </QueryClientProvider>,
  );
  fireEvent.click(await screen.findByRole("button", { name: /^User/ }));
  write("person812@");
  fireEvent.click(await screen.findByRole("option", { name: "person812@weir.example" }));
  expect(onChange).toHaveBeenCalledWith("u812", "person812@weir.example");
});

it("offers what is nothing of the server's, too, and finds it by its name", async () => {
  serve(ofTenants(900));
  const besides = [
    { id: "admin", name: "Admin" },
    { id: "viewer", name: "Viewer" },
  ];
  const onChange = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Picker resource="roles" label="Role" value="admin" onChange={onChange} besides={besides} />
    </QueryClientProvider>,
  );
  fireEvent.click(await screen.findByRole("button", { name: "Role: Admin" }));
  write("view");
  fireEvent.click(await screen.findByRole("option", { name: "Viewer" }));
  expect(onChange).toHaveBeenCalledWith("viewer", "Viewer");
});

it("reads one part where everything can be chosen", async () => {
  const asked = serve(ofTenants(900));
  await look();
  await screen.findByText(/write more of the name/, {}, { timeout: 8_000 });
  expect(screen.getAllByRole("option")).toHaveLength(50);
  expect(asked.filter(({ searchParams }) => searchParams.has("cursor"))).toEqual([]);
});
