#![no_main]

weir_fuzz::target!(weir_properties::stream_flow::check);
