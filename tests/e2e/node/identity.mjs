// A real OpenID provider, `oidc-provider`, with people whom tests make up. Its first line on standard output is its issuer; it ends with
// its standard input. `POST /test/…` changes what it knows: `people`, `clients`, and `rotate` for its keys.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import Provider from "oidc-provider";

/** What it knows. `people`: claims by what one enters as the login; `clients`: as RFC 7591 has them. */
const known = { people: {}, clients: [], keys: [newKey()] };
let handle;

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

function open(issuer) {
  const provider = new Provider(issuer, {
    clients: known.clients,
    jwks: { keys: known.keys },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    cookies: { keys: ["of a test"] },
    // Its own rule is to call nothing on this machine, where Weir is.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    findAccount: (_, login) => {
      const claims = known.people[login];
      return claims && { accountId: login, claims: () => ({ sub: login, ...claims }) };
    },
    // Whoever signs in here has agreed.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  });
  // What goes wrong behind the browser's back is seen in a test's output.
  provider.on("backchannel.error", (_, error) => console.error("back-channel logout:", error));
  handle = provider.callback();
}

const server = createServer(async (request, response) => {
  const change = request.url.match(/^\/test\/(people|clients|rotate)$/)?.[1];
  if (!change) return handle(request, response);
  const said = await json(request);
  if (change === "rotate") known.keys = [newKey()];
  else known[change] = said;
  // Whoever is signed in stays so, but where it begins anew.
  if (change !== "people") open(issuer);
  response.writeHead(204).end();
});

let issuer;
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  open(issuer);
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
