// The verdict on each DKIM signature of the message on stdin, one a line; the only DNS records are the argument (JSON).
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify.js");
const records = JSON.parse(process.argv[2]);
const resolver = async (name) => [[records[`${name}.`] ?? ""]];
const found = await dkimVerify(readFileSync(0), { resolver });
for (const one of found.results) console.log(`${one.algo}: ${one.status.result}`);
