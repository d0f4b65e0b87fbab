// Reads an AsyncAPI document as its own parser does: what it objects to, and what it found.
// usage: node parse.mjs FOLDER_OF_THE_PARSER < asyncapi.yaml
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Parser } = createRequire(`${process.argv[2]}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const messages = document ? document.allMessages().all() : [];
const found = {
  objections: diagnostics.map(({ severity, code, message }) => ({ severity, code, message })),
  messages: Object.fromEntries(
    messages.map((message) => [message.id(), message.examples().all().map((one) => one.payload())]),
  ),
};
process.stdout.write(JSON.stringify(found));
