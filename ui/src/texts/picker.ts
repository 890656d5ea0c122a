/** The texts of choosing one of many things by its name. */
export const picker = {
  label: "Part of its name",
  results: "Found",
  none: "Nothing has this in its name.",
  more: "There are more: write more of the name, or load more.",
} as const;
