-- Which public keys an issuer of tokens served when they were read last, so that one that is gone is noticed: Envoys that remember tokens
-- as verified are told to forget them. A control plane of the version before reads none, and its Envoys remember nothing.
CREATE TABLE token_issuer_keys (
    token_issuer_id uuid PRIMARY KEY REFERENCES token_issuers (id) ON DELETE CASCADE,
    -- SHA-256 of each key's parts, in hexadecimal.
    digests text[] NOT NULL DEFAULT '{}',
    -- When they were read last; NULL: never yet.
    read_at timestamptz,
    -- When to read them again.
    next_at timestamptz NOT NULL DEFAULT now(),
    -- Why they could not be read when it was tried last; NULL: they could.
    failure text,
    -- Whether Envoys may remember tokens as verified.
    is_watched boolean NOT NULL DEFAULT false,
    -- How often Envoys were told to forget them.
    withdrawals bigint NOT NULL DEFAULT 0,
    -- When they are told once more, since the first time they may have read the keys from a server that had the former ones still.
    again_at timestamptz,
    -- Withdrawals since this time are counted, so that an issuer whose keys change all the time is no longer watched.
    counted_since timestamptz NOT NULL DEFAULT now(),
    counted integer NOT NULL DEFAULT 0
);
