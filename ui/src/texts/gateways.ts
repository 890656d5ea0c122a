/** The texts of gateways. */
export const gateways = {
  title: "Gateways",
  one: "Gateway",
  lead: "A fleet of Envoys with one token.",
  new: "New gateway",
  scope: "Serves",
  allTenants: "All tenants",
  trustedHops: "Trusted hops",
  trustedHopsHelp:
    "Proxies of your own before its Envoys: so many further entries of X-Forwarded-For are believed, 0 to 16.",
  trustsForwardedCertificates: "Trusts forwarded certificates",
  trustsForwardedCertificatesHelp:
    "These proxies say in X-Forwarded-Client-Cert who apps are. Nothing but they may reach the Envoys.",
  scopeHelp: "One tenant, or all.",
  deleteConsequence: (connected: number | undefined) =>
    `Its token is refused from now on: its Envoys get no policy any more. ${connectedEnvoys(connected)}`,
  empty: "No gateway yet.",
  token: "Token",
  tokenLead: "What its Envoys show to the control plane.",
  formerUntil: (at: string) => `The token before is accepted until ${at}. Give the new one to every Envoy by then.`,
  onlyPresent: "Only the present token is accepted.",
  rotate: "Replace the token",
  rotateTitle: "Replace this gateway's token?",
  rotateLead:
    "A new token is made and shown once. Until the time is over both are accepted, so that no Envoy is shut out.",
  overlap: "The present one is accepted for",
  overlaps: {
    0: "No time: it is refused at once",
    3600: "One hour",
    86400: "One day",
    604800: "7 days",
    2592000: "30 days",
  },
  atOnce: (connected: number | undefined) =>
    `Envoys with another token than the new one get no policy any more, from now on. ${connectedEnvoys(connected)}`,
  newToken: "The gateway's new token",
} as const;

function connectedEnvoys(count: number | undefined): string {
  if (count === undefined) return "How many are connected with it now is not known.";
  if (count === 0) return "None is connected now.";
  return count === 1 ? "1 Envoy is connected with it now." : `${count} Envoys are connected with it now.`;
}
