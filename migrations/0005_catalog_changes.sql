-- A change of models is told to Envoys when they have its routes, a change of what holds for callers at once.
ALTER TABLE changes
    DROP CONSTRAINT changes_kind_check,
    ADD CONSTRAINT changes_kind_check
        CHECK (kind IN ('key', 'tenant', 'everyone', 'catalog', 'gateway', 'configuration', 'administration'));
