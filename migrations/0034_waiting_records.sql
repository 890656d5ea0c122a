-- What a control plane knows besides of an Envoy's streams; one of the version before writes neither.
ALTER TABLE node_streams
    -- Configuration streams that stay open there under the Envoy's id: more than one if so many Envoys have it.
    ADD COLUMN streams integer NOT NULL DEFAULT 1,
    -- Usage records that wait in the VMs that have their watch there; null: not known.
    ADD COLUMN waiting_records bigint;
