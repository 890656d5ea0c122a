#![no_main]

weir_fuzz::target!(weir_properties::provider_error::check);
