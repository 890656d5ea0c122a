-- The cost of a record to the pico-dollar, a millionth of a micro-dollar: `cost_microusd` holds the whole micro-dollars, and this the
-- pico-dollars beyond. What a control plane of the version before writes (rounded up to a micro-dollar) has none, so whatever wrote a
-- row, and whoever adds to a row of sums, the cost is the sum of both.
ALTER TABLE usage_records ADD COLUMN cost_rest_picousd bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_rollups ADD COLUMN cost_rest_picousd bigint NOT NULL DEFAULT 0;
