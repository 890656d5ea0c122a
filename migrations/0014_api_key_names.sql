-- A key's name is its natural key: unique for its tenant. Of twins the oldest keeps the name, and each other has the end of its id behind.
UPDATE api_keys SET name = left(name, 87) || ' ' || right(id::text, 12)
WHERE deleted_at IS NULL AND EXISTS (
    SELECT 1 FROM api_keys older
    WHERE older.tenant_id = api_keys.tenant_id AND older.name = api_keys.name AND older.deleted_at IS NULL AND older.id < api_keys.id
);
CREATE UNIQUE INDEX api_keys_name_key ON api_keys (tenant_id, name) WHERE deleted_at IS NULL;
