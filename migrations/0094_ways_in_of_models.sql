-- In which ways who asks for a model may or must show who they are, beside what the tenant and the gateway say. A control plane of the version
-- before does not tell gateways of it.
ALTER TABLE models ADD COLUMN ways_in jsonb NOT NULL DEFAULT '{"key": "allowed", "token": "allowed", "workload": "allowed"}';
