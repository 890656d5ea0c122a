/** The texts of models. */
export const models = {
  title: "Models",
  one: "Model",
  lead: "The names that apps ask for.",
  new: "New model",
  pool: "Pool",
  poolHelp: "Serves it. It must belong to the same owner.",
  nameHelp: "What apps write in model.",
  deleteConsequence: "Apps that ask for it get model_not_found from now on.",
  empty: "No model yet. It needs a pool first.",
  servedBy: "Served by",
  defaultMaxTokens: "Output tokens by default",
  defaultMaxTokensHelp:
    "Of a request that sets no maximum: asked for and reserved where a limit of output, of all tokens or of money holds. Without it, and without a cap, such a request is refused there.",
  maxTokensCap: "Output tokens at most",
  maxTokensCapHelp: "What a request may set: more is lowered to it.",
  tokens: "Enter a whole number of tokens, 1 or more.",
  unpriced: (members: string) =>
    `Under budgets requests for it are refused, since members of its pool have no price: ${members}.`,
} as const;
