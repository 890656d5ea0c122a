-- Each identity has a name of its own, so that it can be listed and taken away. A control plane of the version before leaves it out.
ALTER TABLE user_identities ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE;
