// An institution's provider of OpenID Connect: `idp.mjs PORT CALLBACK`. Anyone signs in with any password; groups are
// what follows a plus sign in the name (ada+staff+board).

import Provider from "oidc-provider";

const [port, callback] = process.argv.slice(2);
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
	findAccount: async (_, id) => {
		const [name, ...groups] = id.split("+");
		const claims = { sub: `id-of-${name}`, name: `${name} of the institute`, preferred_username: name, email: `${name}@example.org`, email_verified: true, groups };
		return { accountId: id, claims: async () => claims };
	},
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
