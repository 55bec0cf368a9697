// What postal-mime reads in each message: JSON, [{subject, to, from, messageId, headers, text, html}, ...].
import { readFileSync } from "node:fs";
import PostalMime from "postal-mime";

const read = process.argv.slice(2).map(async (file) => {
  const { subject, to, from, messageId, headers, text, html } = await PostalMime.parse(readFileSync(file));
  return { subject, to, from, messageId, headers, text, html };
});
console.log(JSON.stringify(await Promise.all(read)));
