#![no_main]

weir_fuzz::target!(weir_properties::response_translation::check);
