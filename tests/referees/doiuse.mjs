// What the named mail programs do not support in each file: JSON, {file: [error, ...]}.
import { readFileSync } from "node:fs";
import { doIUseEmail } from "doiuse-email";

const [clients, ...files] = process.argv.slice(2);
const found = files.map((file) => {
  const result = doIUseEmail(readFileSync(file, "utf8"), { emailClients: clients.split(",") });
  return [file, result.success ? [] : result.errors];
});
console.log(JSON.stringify(Object.fromEntries(found)));
