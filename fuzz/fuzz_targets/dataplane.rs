#![no_main]

weir_fuzz::target!(weir_properties::dataplane::check);
