// Tencent's own encryption, one JSON object per line in and out, in the same order:
//   {"do": "encrypt", "key", "text", "id"} -> {"ciphertext"}
//   {"do": "decrypt", "key", "ciphertext"} -> {"text", "id"}
//   {"do": "sign", "token", "timestamp", "nonce", "ciphertext"} -> {"signature"}
import { createInterface } from "node:readline";
import crypto from "@wecom/crypto";

function answer(ask) {
  if (ask.do === "encrypt") return { ciphertext: crypto.encrypt(ask.key, ask.text, ask.id) };
  if (ask.do === "sign") return { signature: crypto.getSignature(ask.token, ask.timestamp, ask.nonce, ask.ciphertext) };
  const { message, id } = crypto.decrypt(ask.key, ask.ciphertext);
  return { text: message, id };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
