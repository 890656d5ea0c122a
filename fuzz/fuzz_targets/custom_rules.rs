#![no_main]

weir_fuzz::target!(weir_properties::custom_rules::check);
