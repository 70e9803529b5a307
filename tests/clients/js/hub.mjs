// @huggingface/hub. `hub.mjs upload REPO FILE PATH [lfs]` commits FILE as PATH, by Xet unless `lfs` is given;
// `hub.mjs download REPO PATH OUT [lfs]` writes PATH to OUT. `hub.mjs login CLIENT REDIRECT` begins to sign in and
// `hub.mjs finish ADDRESS NONCE VERIFIER` ends it. The endpoint comes from HF_ENDPOINT, the token from HF_TOKEN.

import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { downloadFile, oauthHandleRedirect, oauthLoginUrl, uploadFile } from "@huggingface/hub";

const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const [verb, repo, ...rest] = process.argv.slice(2);

if (verb === "upload") {
	const [source, path, way] = rest;
	const file = { path, content: await openAsBlob(source) };
	const done = await uploadFile({ ...common, repo, file, useXet: way !== "lfs", useWebWorkers: false });
	console.log(done.commit.oid);
} else if (verb === "download") {
	const [path, out, way] = rest;
	const blob = await downloadFile({ ...common, repo, path, xet: way !== "lfs" });
	if (blob === null) throw new Error(`${path} is not in ${repo}`);
	await writeFile(out, Buffer.from(await blob.arrayBuffer()));
} else if (verb === "login") {
	const kept = {};
	const [clientId, redirectUrl] = [repo, rest[0]];
	const url = await oauthLoginUrl({ hubUrl: common.hubUrl, clientId, redirectUrl, state: "mine", localStorage: kept });
	console.log(JSON.stringify({ url, ...kept }));
} else if (verb === "finish") {
	const [nonce, codeVerifier] = rest;
	console.log(JSON.stringify(await oauthHandleRedirect({ hubUrl: common.hubUrl, redirectedUrl: repo, nonce, codeVerifier })));
} else {
	throw new Error("usage: hub.mjs upload REPO FILE PATH [lfs] | download REPO PATH OUT [lfs] | login CLIENT REDIRECT | finish ADDRESS NONCE VERIFIER");
}
