import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { z } from "zod";
import type { Item } from "../api/resources";
import { TextField } from "./Fields";
import { changed, ResourceForm } from "./ResourceForm";

const gateway = {
  id: "1",
  name: "old",
  revision: 4,
  created_at: "",
  updated_at: "",
  tenant_id: null,
  tenant_name: null,
  former_tokens_until: null,
  trusted_hops: 0,
  trusts_forwarded_certificates: false,
  ways_in: { key: "allowed" as const, token: "allowed" as const, workload: "allowed" as const },
  origin: { kind: "console" as const },
};
const sent: { method: string; headers: Headers; body: unknown }[] = [];

/** Answers what is asked, in this order. */
function answers(...queue: [status: number, body: object][]) {
  sent.length = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    const text = await request.text();
    sent.push({ method: request.method, headers: request.headers, body: text ? JSON.parse(text) : undefined });
    const [status, body] = queue.shift() ?? [500, {}];
    return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
  });
}

/** Shows a form; the same of a newer item by `rerender`. */
function show(item?: Item<"gateways">) {
  const onMade = vi.fn();
  const queries = new QueryClient();
  const form = (of?: Item<"gateways">) => (
    <QueryClientProvider client={queries}>
      <ResourceForm
        resource="gateways"
        item={of}
        schema={z.object({ name: z.string() })}
        label="thing"
        deleteConsequence="It is gone."
        toForm={(stored) => ({ name: stored?.name ?? "" })}
        toCreate={(form) => form}
        toPatch={(form) => form}
        onMade={onMade}
        onRemoved={() => undefined}
      >
        {({ control }) => <TextField control={control} name="name" label="Name" />}
      </ResourceForm>
    </QueryClientProvider>
  );
  const { rerender } = render(form(item));
  return { onMade, hear: (newer: Item<"gateways">) => rerender(form(newer)) };
}

function enter(name: string, button: string) {
  fireEvent.change(screen.getByLabelText("Name"), { target: { value: name } });
  fireEvent.click(screen.getByRole("button", { name: button }));
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("shows what the API says of a field at the field", async () => {
  answers([422, { code: "invalid_fields", detail: "…", errors: [{ field: "name", reason: "is taken already" }] }]);
  show();
  enter("x", "Create");
  await screen.findByText("is taken already");
  expect(screen.getByLabelText("Name").getAttribute("aria-invalid")).toBe("true");
});

it("makes a thing once, however often a lost answer is asked for again", async () => {
  answers([201, { ...gateway, token: "t" }]);
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("lost")));
  const { onMade } = show();
  enter("x", "Create");
  await screen.findByText(/does not answer/);
  answers([201, { ...gateway, token: "t" }]);
  fireEvent.click(screen.getByRole("button", { name: "Create" }));
  await waitFor(() => expect(onMade).toHaveBeenCalledWith(expect.objectContaining({ token: "t" })));
  expect(sent[0]?.headers.get("idempotency-key")).toMatch(/^[0-9a-f]{32}$/);
});

it("does not write over what somebody else has changed, but shows both", async () => {
  answers(
    [412, { code: "stale", detail: "it is at revision 5 now" }],
    [200, { ...gateway, name: "theirs", revision: 5 }],
  );
  show(gateway);
  enter("mine", "Save changes");
  await screen.findByText("theirs");
  expect(sent[0]?.headers.get("if-match")).toBe('"4"');
  answers([200, { ...gateway, name: "mine", revision: 6 }]);
  fireEvent.click(screen.getByRole("button", { name: "Save mine over it" }));
  await waitFor(() => expect(sent[0]?.headers.get("if-match")).toBe('"5"'));
  expect(sent[0]?.body).toEqual({ name: "mine" });
});

it("saves what another button of the page has raised the revision of", async () => {
  const { hear } = show(gateway);
  hear({ ...gateway, revision: 5 });
  answers([200, { ...gateway, name: "mine", revision: 6 }]);
  enter("mine", "Save changes");
  await waitFor(() => expect(sent[0]?.headers.get("if-match")).toBe('"5"'));
});

it("saves so, too, where something had been entered before the other button was pressed", async () => {
  const { hear } = show(gateway);
  fireEvent.change(screen.getByLabelText("Name"), { target: { value: "mine" } });
  hear({ ...gateway, revision: 5 });
  answers([200, { ...gateway, name: "mine", revision: 6 }]);
  fireEvent.click(screen.getByRole("button", { name: "Save changes" }));
  await waitFor(() => expect(sent[0]?.headers.get("if-match")).toBe('"5"'));
  expect(sent[0]?.body).toEqual({ name: "mine" });
});

it("shows what was changed elsewhere while nothing is entered, and keeps what is", async () => {
  const { hear } = show(gateway);
  const field = screen.getByLabelText("Name") as HTMLInputElement;
  hear({ ...gateway, name: "theirs", revision: 5 });
  await waitFor(() => expect(field.value).toBe("theirs"));
  fireEvent.change(field, { target: { value: "mine" } });
  hear({ ...gateway, name: "theirs again", revision: 6 });
  answers([412, { code: "stale", detail: "…" }], [200, { ...gateway, name: "theirs again", revision: 6 }]);
  expect(field.value).toBe("mine");
  fireEvent.click(screen.getByRole("button", { name: "Save changes" }));
  await screen.findByText("theirs again");
  expect(sent[0]?.headers.get("if-match")).toBe('"5"');
});

it("sends what was changed and nothing else", () => {
  expect(changed({ a: 1, b: [1], c: null }, { a: 2, b: [1], c: null })).toEqual({ a: 2 });
});
