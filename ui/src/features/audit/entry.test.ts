import { expect, it } from "vitest";
import { digestsOf, withoutDigests } from "./entry";

const after = {
  requests: 2,
  digests: [
    { key_id: "20261130", hmac_sha256: "cdef", requests: 2 },
    { key_id: "20261130", hmac_sha256: "ab12", requests: 1 },
  ],
};

it("tells by digests what was the same", () => {
  const phone = { path: "PHONE:flag", before: null, after: { requests: 1 } };
  expect(digestsOf({ changes: [{ path: "EMAIL:redact", before: null, after }, phone] })).toEqual([
    { type: "EMAIL", week: "2026-11-30", hmac: "cdef", requests: 2 },
    { type: "EMAIL", week: "2026-11-30", hmac: "ab12", requests: 1 },
  ]);
  expect(digestsOf({ changes: null })).toEqual([]);
});

it("leaves to a change what are no digests", () => {
  expect(withoutDigests(after)).toEqual({ requests: 2 });
  for (const value of [null, "digests", { digests: "mine" }, [1]]) expect(withoutDigests(value)).toEqual(value);
});
