#![no_main]

weir_fuzz::target!(weir_properties::request_flow::check);
