// The competitor in JavaScript: node nodemailer.mjs MODULE PORT EMAILS EMAIL.json [KEY.pem] sends and prints the seconds it took.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , module, port, count, path, key] = process.argv;
const nodemailer = createRequire(module + "/")("nodemailer");
const template = JSON.parse(readFileSync(path, "utf8"));
const began = performance.now();
const dkim = key ? { domainName: "tips.example", keySelector: "s1", privateKey: readFileSync(key, "utf8") } : undefined;
const transport = nodemailer.createTransport({
  pool: true, host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true,
  maxConnections: 10, maxMessages: Infinity, dkim,
});
let next = 0;
async function work() {
  while (next < Number(count)) {
    const number = next++;
    const to = `user${number}@domain${number % 997}.example`;
    const link = `https://tips.example/u/token${String(number).padStart(20, "0")}`;
    const personal = (text) => text.replaceAll("@@ADDRESS@@", to).replaceAll("@@LINK@@", link);
    await transport.sendMail({
      from: "Tip of the Week <tips@tips.example>", to, subject: template.subject,
      text: personal(template.text), html: personal(template.html),
      headers: { "List-Unsubscribe": { prepared: true, value: `<${link}>` }, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click" },
    });
  }
}
await Promise.all(Array.from({ length: 20 }, work));
transport.close();
console.log((performance.now() - began) / 1000);
