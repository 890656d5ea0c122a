/** The texts that lead to a new tenant's first call. */
export const firstCall = {
  title: "The first call",
  lead: "No request has come yet. This is what an app's first one needs.",
  done: "done",
  tenant: "A team or a customer: what it has, nobody else sees.",
  provider: "Where requests are sent, with its credential. The next pages lead on to its models.",
  pool: "Which of the provider's models serve together, in the order in which they are tried.",
  model: "The name that apps ask for.",
  key: "What the app shows to the gateway. It is shown once.",
  call: "The call",
  callBody: "From anywhere that reaches the gateway. Its record comes here a moment later.",
  notYou: "An administrator of your tenant or of the platform has to do this.",
  tryIt: "Try it in the playground",
  modelName: "MODEL",
  gatewayUrl: "GATEWAY_URL",
  hello: "Hello",
} as const;
