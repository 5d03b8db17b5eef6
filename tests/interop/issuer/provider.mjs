// oidc-provider (certified by the OpenID Foundation) on a free port. Prints its address, reads from its input one
// line of JSON with the clients, prints "ready", and serves until its input ends. Any name and password logs in.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const key = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), use: "sig", ...more });
const configuration = {
  jwks: { keys: [key("rsa", { modulusLength: 2048 }, { kid: "r", alg: "RS256" }), key("ec", { namedCurve: "P-256" }, { kid: "e", alg: "ES256" })] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username"] },
  cookies: { keys: ["only for tests"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, preferred_username: id }),
  }),
};

let answer = (_, response) => response.writeHead(503).end();
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://${process.argv[2] ?? "127.0.0.1"}:${server.address().port}`;
  console.log(issuer);
  const lines = createInterface({ input: process.stdin });
  lines.once("line", (line) => {
    answer = new Provider(issuer, { ...configuration, clients: JSON.parse(line) }).callback();
    console.log("ready");
  });
  lines.once("close", () => process.exit(0));
});
