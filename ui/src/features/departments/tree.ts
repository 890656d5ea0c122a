import type { Item } from "../../api/resources";

type Department = Item<"departments">;

/** A department and what is beneath it, as far as it is known. */
export interface Branch {
  department: Department;
  beneath: Branch[];
  /** Whether it is beneath one that is not among those that are known. */
  isLoose: boolean;
}

/** The trees that departments make, in the order in which they are given; in time that grows with their number. */
export function treeOf(departments: Department[]): Branch[] {
  const known = new Map(departments.map((department) => [department.id, branch(department)]));
  const top: Branch[] = [];
  for (const one of known.values()) {
    const parent = one.department.parent_id ? known.get(one.department.parent_id) : undefined;
    one.isLoose = !parent && one.department.parent_id != null;
    (parent?.beneath ?? top).push(one);
  }
  return top;
}

function branch(department: Department): Branch {
  return { department, beneath: [], isLoose: false };
}
