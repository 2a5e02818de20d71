// Charges, refunds and is refused, with openapi-fetch and the types that openapi-typescript generates from api/openapi.json.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const api = createClient<paths>({
  baseUrl: variable("FLYSK_URL"),
  headers: { "X-Project-Token": variable("PROJECT_TOKEN") },
});
const account_id = Number(variable("ACCOUNT_ID"));

function charge(seconds: number, key: string) {
  return api.POST("/v1/backend/flycoins/charges", {
    params: { header: { "Idempotency-Key": key } },
    body: { account_id, lines: [{ service: "flysense.recognition", quantity: seconds }] },
  });
}

const charged = await charge(60, "typescript-charge");
if (!charged.data) throw new Error(charged.error.code);
const unit: components["schemas"]["PriceUnit"] | undefined = charged.data.receipt[0]?.unit;
if (unit !== "second") throw new Error(`unit ${unit}`);
const repeated = await charge(60, "typescript-charge");
if (repeated.data?.transaction_id !== charged.data.transaction_id) throw new Error("charged twice");

const refunded = await api.POST("/v1/backend/flycoins/refunds", {
  params: { header: { "Idempotency-Key": "typescript-refund" } },
  body: { account_id, transaction_id: charged.data.transaction_id, all: true },
});
if (!refunded.data) throw new Error(refunded.error.code);

const refused = await charge(1_000_000, "typescript-refused");
if (!refused.error) throw new Error("not refused");
console.log(
  `charged ${charged.data.charged_micro}, refunded ${refunded.data.refunded_micro}, refused ${refused.error.status} ${refused.error.code}`,
);
