-- Whether a gateway believes certificates that proxies before it say they saw. Trusted hops were set for addresses of clients, so they do not
-- say it. A version before this one believes trusted hops alone.
ALTER TABLE gateways ADD COLUMN trusts_forwarded_certificates boolean NOT NULL DEFAULT false;
