-- Whose a key was when it was deleted: its usage stays theirs. Nothing refers to them, so that they can be deleted too. The department is
-- the key's own, or that of its owner at that time.
ALTER TABLE api_keys
    ADD COLUMN former_user_id uuid,
    ADD COLUMN former_service_account_id uuid,
    ADD COLUMN former_department_id uuid;
CREATE INDEX api_keys_by_former_user ON api_keys (former_user_id) WHERE former_user_id IS NOT NULL;
CREATE INDEX api_keys_by_former_department ON api_keys (former_department_id) WHERE former_department_id IS NOT NULL;
