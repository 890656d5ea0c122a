-- Tokens that gateways had before their present ones, for as long as they are still accepted.
CREATE TABLE former_gateway_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    gateway_id uuid NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    valid_until timestamptz NOT NULL
);
CREATE INDEX former_gateway_tokens_by_gateway ON former_gateway_tokens (gateway_id, valid_until);
