-- From where somebody tries to sign in, so that attempts are limited for each account and address together, and nobody can
-- lock out an administrator from elsewhere. Digests, as the accounts are. Empty for attempts that an older version wrote.
ALTER TABLE login_attempts ADD COLUMN address_sha256 bytea NOT NULL DEFAULT ''::bytea;

-- From where an account has signed in lately: what others try elsewhere does not hold it up there.
CREATE TABLE login_addresses (
    email_sha256 bytea NOT NULL,
    address_sha256 bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (email_sha256, address_sha256)
);
CREATE INDEX login_addresses_by_time ON login_addresses (at);
