-- API keys: what they may be used for and from where, and digests that are of no use to who only has what is stored.
ALTER TABLE api_keys
    ADD COLUMN allowed_operations text[],
    ADD COLUMN source_cidrs text[],
    ADD COLUMN disabled boolean NOT NULL DEFAULT false,
    -- HMAC of the key's SHA-256 under a master key: by it a key is found. Null: written by a control plane of the version before, or
    -- the key is deleted.
    ADD COLUMN key_hmac bytea UNIQUE CHECK (octet_length(key_hmac) = 32),
    -- The SHA-256 itself, encrypted: told to gateways that must forget it, and needed to change the master key.
    ADD COLUMN key_digest_encrypted bytea,
    -- Only for control planes of the version before. It goes a day after this was applied.
    ALTER COLUMN key_sha256 DROP NOT NULL;
ALTER TABLE gateways ADD COLUMN trusted_hops smallint NOT NULL DEFAULT 0 CHECK (trusted_hops BETWEEN 0 AND 16);
