import type { Schemas } from "../api/client";
import type { Tone } from "./Badge";

/** What can be found and done, in the order in which it is offered. The types say when the API has more. */
export const findings = [
  "CREDIT_CARD",
  "EMAIL",
  "PHONE",
  "IBAN",
  "BANK_ACCOUNT",
  "US_SSN",
  "IN_AADHAAR",
  "IN_PAN",
  "IN_VOTER_ID",
  "IP_ADDRESS",
  "SECRET",
  "US_ITIN",
  "US_BANK_ROUTING",
  "IN_GSTIN",
  "IN_IFSC",
  "IN_UPI",
  "UK_NINO",
  "UK_NHS",
  "PASSPORT",
  "DRIVER_LICENSE",
  "MEDICAL_RECORD",
  "INSURANCE_NUMBER",
  "DATE_OF_BIRTH",
  "VIN",
  "MAC_ADDRESS",
  "CRYPTO_WALLET",
  "GPS_COORDINATES",
  "PERSON",
  "ADDRESS",
] as const satisfies readonly Schemas["FindingType"][];
export const actions = ["allow", "flag", "redact", "block"] as const satisfies readonly Schemas["Action"][];
export const directions = ["both", "input", "output"] as const satisfies readonly Schemas["Direction"][];
export const uninspectableActions = ["allow", "refuse"] as const satisfies readonly Schemas["UninspectableAction"][];

export const actionTone: Record<Schemas["Action"], Tone> = {
  allow: "neutral",
  flag: "warn",
  redact: "warn",
  block: "bad",
};
