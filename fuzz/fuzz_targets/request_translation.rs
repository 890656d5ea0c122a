#![no_main]

weir_fuzz::target!(weir_properties::request_translation::check);
