// An institution's provider of OpenID Connect: `idp.mjs PORT CALLBACK GROUPS`. Anyone signs in with any password; the
// JSON file GROUPS says who is in which groups at the moment.

import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const [port, callback, groupsFile] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
	clients: [
		{ client_id: "haina", client_secret: "a secret : with+odd %characters", redirect_uris: [callback] },
		{ client_id: "other", client_secret: "s", redirect_uris: [callback] },
	],
	claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "preferred_username"], groups: ["groups"] },
	scopes: ["openid", "email", "profile", "groups"],
	pkce: { required: () => true },
	cookies: { keys: ["only for tests"] },
	findAccount: async (_, name) => {
		const groups = JSON.parse(readFileSync(groupsFile, "utf8"))[name] ?? [];
		const claims = { sub: name, name: `${name} of the institute`, preferred_username: name, email: `${name}@example.org`, email_verified: true, groups };
		return { accountId: name, claims: async () => claims };
	},
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
