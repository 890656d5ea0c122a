/** The texts of the first set-up. */
export const setup = {
  title: "Set up Weir",
  lead: "Nobody administers this platform yet. Make the first administrator.",
  needed: "Nobody administers this platform yet. Open the address that the control plane has printed at its start.",
  done: "This platform has an administrator already.",
  signIn: "Sign in",
  token: "Token",
  tokenHelp: "The control plane prints it at its start; it holds for an hour. A restart prints another.",
  repeat: "Password again",
  different: "The two passwords are not the same.",
  submit: "Make the administrator",
  wrongToken:
    "The token does not hold: it is another one, or its hour is over. A restart of the control plane prints a new one.",
} as const;
