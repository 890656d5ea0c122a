#![no_main]

weir_fuzz::target!(weir_properties::detectors::check);
