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

export const findingGroups = ["people", "money", "numbers", "machines", "own"] as const;

/** Where somebody who chooses looks for it. */
export const findingGroup: Record<Schemas["FindingType"], (typeof findingGroups)[number]> = {
  CREDIT_CARD: "money",
  EMAIL: "people",
  PHONE: "people",
  IBAN: "money",
  BANK_ACCOUNT: "money",
  US_SSN: "numbers",
  IN_AADHAAR: "numbers",
  IN_PAN: "numbers",
  IN_VOTER_ID: "numbers",
  IP_ADDRESS: "machines",
  SECRET: "machines",
  US_ITIN: "numbers",
  US_BANK_ROUTING: "money",
  IN_GSTIN: "numbers",
  IN_IFSC: "money",
  IN_UPI: "money",
  UK_NINO: "numbers",
  UK_NHS: "numbers",
  PASSPORT: "people",
  DRIVER_LICENSE: "people",
  MEDICAL_RECORD: "people",
  INSURANCE_NUMBER: "people",
  DATE_OF_BIRTH: "people",
  VIN: "machines",
  MAC_ADDRESS: "machines",
  CRYPTO_WALLET: "money",
  GPS_COORDINATES: "machines",
  PERSON: "people",
  ADDRESS: "people",
  CUSTOM: "own",
};
export const actions = ["allow", "flag", "redact", "block"] as const satisfies readonly Schemas["Action"][];
export const directions = ["both", "input", "output"] as const satisfies readonly Schemas["Direction"][];
export const uninspectableActions = ["allow", "refuse"] as const satisfies readonly Schemas["UninspectableAction"][];

export const actionTone: Record<Schemas["Action"], Tone> = {
  allow: "neutral",
  flag: "warn",
  redact: "warn",
  block: "bad",
};
