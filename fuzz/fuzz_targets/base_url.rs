#![no_main]

weir_fuzz::target!(weir_properties::config::check_base_url);
