// jsdom has no media queries; nothing here depends on what they would say.
globalThis.matchMedia ??= ((query: string) => ({
  matches: false,
  media: query,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
})) as unknown as typeof matchMedia;
// Nor has it this; names in tests need no escaping.
globalThis.CSS ??= { escape: (name: string) => name } as unknown as typeof CSS;
