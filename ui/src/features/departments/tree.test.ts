import { expect, test } from "vitest";
import type { Item } from "../../api/resources";
import { type Branch, treeOf } from "./tree";

const one = (id: string, parent_id: string | null = null) => ({ id, parent_id, name: id }) as Item<"departments">;
const shape = (branches: Branch[]): unknown[] =>
  branches.map(({ department, beneath, isLoose }) => [department.id, isLoose, ...shape(beneath)]);

test("departments are trees, whatever comes first, and one whose parent is not known stands at the top", () => {
  const departments = [one("low", "middle"), one("middle", "top"), one("top"), one("lost", "elsewhere"), one("other")];
  expect(shape(treeOf(departments))).toEqual([
    ["top", false, ["middle", false, ["low", false]]],
    ["lost", true],
    ["other", false],
  ]);
});
