/** The texts of the search over all kinds. */
export const search = {
  open: "Search",
  keys: "Ctrl K",
  label: "Search by name, or a request's id",
  hint: "Two letters are enough.",
  pages: "Pages",
  request: "Request",
  none: "Nothing has this in its name.",
  results: "Results",
} as const;
