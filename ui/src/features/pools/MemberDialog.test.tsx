import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MemberDialog } from "./MemberDialog";
import type { MemberValues } from "./Members";

const rates = {
  input_microusd_per_million: 5_000_000,
  cached_input_microusd_per_million: 2_500_000,
  output_microusd_per_million: 20_000_000,
};
const member: MemberValues = {
  key: "1",
  provider_id: "p",
  provider_name: "Vendor",
  model: "large",
  price: {
    input_microusd_per_million: 2_500_000,
    cached_input_microusd_per_million: 1_250_000,
    output_microusd_per_million: 10_000_000,
    cache_write_microusd_per_million: null,
    cache_write_1h_microusd_per_million: null,
    reasoning_microusd_per_million: null,
    tiers: [{ tier: "flex", rates }],
    long_context: { above_input_tokens: 200_000, rates },
    request_microusd: 7,
    web_search_microusd: 10_000,
  },
  next_prices: [],
  capabilities: null,
};

beforeEach(() => {
  const provider = { id: "p", name: "Vendor", tenant_id: null };
  vi.stubGlobal("fetch", async (request: Request) => {
    const answer = new URL(request.url).searchParams.has("limit") ? { items: [provider], next_cursor: null } : provider;
    return new Response(JSON.stringify(answer), { headers: { "content-type": "application/json" } });
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

/** Saves the member in the dialog, after these fields were typed; what comes of it. */
async function saved(typed: Record<string, string>): Promise<MemberValues> {
  const onDone = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <MemberDialog member={member} owner="" onClose={() => undefined} onDone={onDone} />
    </QueryClientProvider>,
  );
  for (const [label, value] of Object.entries(typed)) {
    fireEvent.change(screen.getByLabelText(label), { target: { value } });
  }
  fireEvent.click(screen.getByRole("button", { name: "Update member" }));
  await waitFor(() => expect(onDone).toHaveBeenCalledOnce());
  return onDone.mock.calls[0]?.[0];
}

it("keeps of a price what it has no fields for", async () => {
  expect(await saved({})).toEqual(member);
});

it("changes only what was typed", async () => {
  const price = { ...member.price, output_microusd_per_million: 12_000_000 };
  expect(await saved({ Output: "12" })).toEqual({ ...member, price });
});
