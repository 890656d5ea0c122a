-- Keyed digests, by which a secret that is given again is told from another one. Null: not known; then it is compared, or is another.
ALTER TABLE providers ADD COLUMN credential_digest bytea;
ALTER TABLE users ADD COLUMN password_digest bytea;
