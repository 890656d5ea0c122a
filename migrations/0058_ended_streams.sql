-- What gateways are told again when they begin to follow changes anew.
CREATE INDEX changes_that_end_streams ON changes (at) WHERE ends_streams;
