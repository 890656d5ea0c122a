-- The most output tokens of requests for a model that name none, and that any may name. A version before this one does not look at it.
ALTER TABLE models
    ADD COLUMN default_max_tokens bigint CHECK (default_max_tokens > 0),
    ADD COLUMN max_tokens_cap bigint CHECK (max_tokens_cap > 0);
