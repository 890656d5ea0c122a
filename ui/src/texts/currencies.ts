/** The texts of rates of currencies. */
export const currencies = {
  title: "Currency rates",
  one: "Currency rate",
  lead: "What a US dollar is in another currency. Money is counted in dollars; usage tells it in a currency as well, each request by the rate of its UTC day.",
  new: "New rate",
  empty: "No rate yet: usage is told in dollars.",
  nameHelp: "For example EUR 2026-11.",
  currency: "Currency",
  currencyHelp: "Its ISO 4217 code, for example EUR.",
  code: "Enter three capital letters, for example EUR.",
  rate: "For one US dollar",
  rateHelp: "A decimal number, for example 0.8623.",
  rateOf: (rate: string, currency: string) => `${rate} ${currency}`,
  decimal: "Enter a number with at most twelve digits on either side of the point.",
  validFrom: "From the day",
  validFromHelp: "In UTC. It holds until a later one of the currency does; of two of one day the one made last holds.",
  deleteConsequence: "What it told of past days is told by the rate before it, or not at all if there is none.",
} as const;
