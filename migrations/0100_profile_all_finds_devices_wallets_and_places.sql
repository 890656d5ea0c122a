-- The profile `all` has every built-in detector. Revision 0: it has no history of its own.
UPDATE guardrail_profiles
SET rules = (SELECT jsonb_agg(jsonb_build_object('type', type, 'action', 'redact', 'direction', 'both') ORDER BY place)
             FROM unnest(ARRAY['CREDIT_CARD', 'EMAIL', 'PHONE', 'IBAN', 'BANK_ACCOUNT', 'US_SSN', 'IN_AADHAAR', 'IN_PAN',
                               'IN_VOTER_ID', 'IP_ADDRESS', 'SECRET', 'US_ITIN', 'US_BANK_ROUTING', 'IN_GSTIN', 'IN_IFSC', 'IN_UPI',
                               'UK_NINO', 'UK_NHS', 'PASSPORT', 'DRIVER_LICENSE', 'MEDICAL_RECORD', 'INSURANCE_NUMBER',
                               'DATE_OF_BIRTH', 'VIN', 'MAC_ADDRESS', 'CRYPTO_WALLET', 'GPS_COORDINATES', 'PERSON',
                               'ADDRESS']) WITH ORDINALITY AS types (type, place))
WHERE id = '00000000-0000-7000-8000-000000000a11';
