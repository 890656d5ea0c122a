/** The texts of accounts at identity providers by which somebody signs in. */
export const connectedIdentities = {
  title: "Connected accounts",
  lead: "Accounts at identity providers by which this user signs in.",
  none: "No account at an identity provider is connected.",
  provider: "Identity provider",
  subject: "Account there",
  since: "Connected",
  remove: "Disconnect",
  removeOne: (provider: string) => `Disconnect ${provider}`,
  removeTitle: (provider: string) => `Disconnect ${provider}?`,
  consequence:
    "The user's sessions that came by it end at once, and they sign in by it no more until it is connected again.",
  ownConsequence: "Your sessions that came by it end at once. Your last way to sign in stays.",
  removed: "The account is disconnected",
} as const;
