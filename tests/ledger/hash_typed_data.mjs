// Reads a JSON list of eth_signTypedData_v4 documents on stdin, prints the JSON list of viem's digests.
import { readFileSync } from "node:fs";
import { hashTypedData } from "viem";

// Wallets get integers as decimal strings, which JSON keeps exact; viem wants bigints.
function withIntegers({ message, primaryType, types, domain }) {
  const exact = types[primaryType].map(({ name, type }) => [
    name,
    type.startsWith("uint") ? BigInt(message[name]) : message[name],
  ]);
  return { domain, types, primaryType, message: Object.fromEntries(exact) };
}

const documents = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(documents.map((document) => hashTypedData(withIntegers(document)))));
