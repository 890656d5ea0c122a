import { expect, it } from "vitest";
import { type Capabilities, readCapabilities, typedCapabilities } from "./capabilities";

it("come back as they were, and those that nobody sets are not sent", () => {
  const check = (capabilities: Capabilities | null, expected = capabilities) =>
    expect(readCapabilities(typedCapabilities(capabilities), capabilities)).toEqual(expected);
  check(null);
  check({ images: true, tools: false, system_role: "developer" });
  check({ images: null }, null);
  // One of a later version.
  check({ smell: true } as unknown as Capabilities);
});
