-- Browsers in which an account has signed in: what others try at the same address does not hold them up. Digests, as all the rest.
CREATE TABLE login_devices (
    email_sha256 bytea NOT NULL,
    device_sha256 bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (email_sha256, device_sha256)
);
CREATE INDEX login_devices_by_time ON login_devices (at);

-- Empty: none was shown.
ALTER TABLE login_attempts ADD COLUMN device_sha256 bytea NOT NULL DEFAULT ''::bytea;
