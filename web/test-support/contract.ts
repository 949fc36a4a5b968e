/** Checks documents against the reviewed JSON Schemas of the repository. */

import { readFile } from "node:fs/promises";
import { Ajv2020 } from "ajv/dist/2020.js";

const SCHEMAS = new URL("../../schemas/", import.meta.url);

/** Returns a check that names what is wrong with a document; nothing when nothing is. */
export async function contract(name: "event-batch" | "decision"): Promise<(document: unknown) => string[]> {
  const schema = JSON.parse(await readFile(new URL(`${name}.schema.json`, SCHEMAS), "utf8")) as object;
  // Integer formats (`uint32`) are annotations of the generator; the ranges stand beside them.
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
  return (document) =>
    validate(document) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? error.keyword}`);
}
