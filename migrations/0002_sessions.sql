-- What signing in and repeating requests need.

CREATE TABLE sessions (
    token_sha256 bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Attempts to sign in that were not successful (yet). The address is kept as a digest: people mistype passwords into it.
CREATE TABLE login_attempts (
    id uuid PRIMARY KEY,
    email_sha256 bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_attempts_by_email ON login_attempts (email_sha256, at);
CREATE INDEX login_attempts_by_time ON login_attempts (at);

-- Results of requests with an Idempotency-Key, written in the transaction of the change that they report. Encrypted,
-- because the answer to a new key holds the key; with it the digest of the request.
CREATE TABLE idempotency_keys (
    actor_id uuid NOT NULL,
    key_sha256 bytea NOT NULL,
    result_encrypted bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor_id, key_sha256)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
